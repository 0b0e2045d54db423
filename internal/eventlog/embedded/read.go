package embedded

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/stream"
)

// Headers are fetched a chunk at a time, each with its own short-lived iterator:
// an iterator held open while a slow consumer works would pin deleted files.
const (
	indexChunk = 256
	readChunk  = 32
)

var (
	errGap        = errors.New("index has a gap")
	errNoPayload  = errors.New("block is missing")
	errPayloadLen = errors.New("block has the wrong length")
	errPayloadCRC = errors.New("block does not match its checksum")
)

// Index implements eventlog.Log. Offsets at or past the durable end are left out
// without error.
func (l *Log) Index(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return l.index(ctx, streamID, r, indexChunk)
}

func (l *Log) index(ctx context.Context, streamID string, r stream.Range, chunk int) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		s, p, err := l.find(ctx, streamID, r)
		if err != nil {
			yield(stream.BlockHeader{}, err)
			return
		}
		var hs []stream.BlockHeader
		for from := r.Start; from < r.End; {
			if hs, err = l.headers(ctx, s, p, from, r.End, hs[:0], chunk); err != nil {
				yield(stream.BlockHeader{}, err)
				return
			}
			for _, h := range hs {
				if !yield(h, nil) {
					return
				}
			}
			if len(hs) == 0 {
				return // the durable end
			}
			from = hs[len(hs)-1].Range.End
		}
	}
}

// Read implements eventlog.Log. Offsets at or past the durable end are left out
// without error.
func (l *Log) Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error] {
	return func(yield func(stream.Block, error) bool) {
		s, p, err := l.find(ctx, streamID, r)
		if err != nil {
			yield(stream.Block{}, err)
			return
		}
		var buf []byte
		for h, err := range l.index(ctx, streamID, r, readChunk) {
			if err == nil {
				buf, err = l.payload(ctx, s, p, h, buf)
			}
			if err != nil {
				yield(stream.Block{}, err)
				return
			}
			if !yield(stream.Block{BlockHeader: h, Gzip: buf}, nil) {
				return
			}
		}
	}
}

// find resolves the stream and partition of a range.
func (l *Log) find(ctx context.Context, streamID string, r stream.Range) (*streamState, *partition, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := l.enter(); err != nil {
		return nil, nil, err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.partition(r.Partition)
	if err != nil {
		return nil, nil, err
	}
	return s, p, p.damage
}

// headers appends to hs the headers, at most limit, of the blocks from the one
// that holds from up to end or the durable end, whichever is first.
func (l *Log) headers(ctx context.Context, s *streamState, p *partition, from, end stream.Offset, hs []stream.BlockHeader, limit int) (_ []stream.BlockHeader, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	if s.dropped.Load() {
		return nil, noStream(s.id)
	}
	v := p.view()
	if from < v.floor {
		return nil, trimmed(s.id, p.n, from, v.floor)
	}
	end = min(end, v.end)
	if from >= end {
		return hs, nil
	}
	it, err := l.db.NewIter(&pebble.IterOptions{
		LowerBound: partitionKey(spaceHeader, s.number, p.n),
		UpperBound: blockKey(spaceHeader, s.number, p.n, end),
	})
	if err != nil {
		return nil, readFault(s.id, p.n, from, err)
	}
	defer func() {
		if cerr := it.Close(); cerr != nil && err == nil {
			err = readFault(s.id, p.n, from, cerr)
		}
	}()
	for ok := it.SeekLT(blockKey(spaceHeader, s.number, p.n, from+1)); from < end && len(hs) < limit; ok = it.Next() {
		if !ok {
			if err := it.Error(); err != nil {
				return nil, readFault(s.id, p.n, from, err)
			}
			return nil, l.missing(s, p, from, errGap)
		}
		off, h, err := decodeHeader(it.Key(), it.Value())
		if err != nil {
			return nil, damaged(s.id, p.n, from, err)
		}
		bh := h.block(p.n, off)
		// The first block may begin before from; a later one begins exactly there.
		if bh.Range.End <= from || off > from || len(hs) > 0 && off != from {
			return nil, l.missing(s, p, from, errGap)
		}
		if bh.Range.End > v.end {
			return nil, damaged(s.id, p.n, off, errGap)
		}
		hs = append(hs, bh)
		from = bh.Range.End
	}
	return hs, nil
}

// payload fetches a block's gzip member into buf and checks it. It copies, so
// that nothing of the engine is held while the consumer works.
func (l *Log) payload(ctx context.Context, s *streamState, p *partition, h stream.BlockHeader, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	v, c, err := l.db.Get(blockKey(spacePayload, s.number, p.n, h.Range.Start))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, l.missing(s, p, h.Range.Start, errNoPayload)
	}
	if err != nil {
		return nil, readFault(s.id, p.n, h.Range.Start, err)
	}
	buf = append(buf[:0], v...)
	if err := c.Close(); err != nil {
		return nil, readFault(s.id, p.n, h.Range.Start, err)
	}
	if int64(len(buf)) != h.Packed {
		return nil, damaged(s.id, p.n, h.Range.Start, fmt.Errorf("%w: %d bytes instead of %d", errPayloadLen, len(buf), h.Packed))
	}
	if crc32.ChecksumIEEE(buf) != h.CRC32 {
		return nil, damaged(s.id, p.n, h.Range.Start, errPayloadCRC)
	}
	return buf, nil
}

// missing says why a block that should be there is not: a drop or a trim came
// between, which both tell before they delete, or it is damage.
func (l *Log) missing(s *streamState, p *partition, off stream.Offset, cause error) error {
	if s.dropped.Load() {
		return noStream(s.id)
	}
	if v := p.view(); off < v.floor {
		return trimmed(s.id, p.n, off, v.floor)
	}
	return damaged(s.id, p.n, off, cause)
}
