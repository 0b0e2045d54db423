package format

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"strm/internal/inflate"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Line is one event of a block.
type Line struct {
	Offset stream.Offset
	Data   []byte // without its '\n'; valid only until the iteration that yielded it goes on
}

// Lines yields the events of the blocks whose offsets lie in r, in the order of
// the blocks. A block is decoded and checked as a whole before its first event
// is yielded: a damaged one never serves as data. The first error ends the
// iteration: one of blocks as it is, or one of kind Corrupt that names the
// block.
//
// Event n of a block has offset Range.Start+n, so a block must cover exactly as
// many offsets as it holds events. One decoder and one buffer serve all blocks.
func Lines(blocks iter.Seq2[stream.Block, error], r stream.Range) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var d blockDecoder
		for b, err := range blocks {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if b.Range.Partition != r.Partition || b.Range.End <= r.Start || b.Range.Start >= r.End {
				continue
			}
			raw, err := d.decode(&b)
			if err != nil {
				yield(Line{}, problem.New(problem.Corrupt, "block %v is damaged: %w", b.Range, err))
				return
			}
			for at := b.Range.Start; at < min(b.Range.End, r.End); at++ {
				end := bytes.IndexByte(raw, '\n') // decode has counted them
				if at >= r.Start && !yield(Line{Offset: at, Data: raw[:end:end]}, nil) {
					return
				}
				raw = raw[end+1:]
			}
		}
	}
}

// maxExpansion is a bound on how much deflate can expand; a header that claims
// more is damaged, and must not make the decoder reserve memory.
const maxExpansion = 1100

type blockDecoder struct {
	gz  inflate.Decoder
	raw []byte
}

// decode returns the block's lines after checking them against its header.
func (d *blockDecoder) decode(b *stream.Block) ([]byte, error) {
	if int64(b.Range.End-b.Range.Start) != b.Events {
		return nil, fmt.Errorf("it covers %d offsets but holds %d events", b.Range.End-b.Range.Start, b.Events)
	}
	if b.Raw < b.Events || b.Raw > int64(len(b.Gzip))*maxExpansion {
		return nil, fmt.Errorf("%d packed bytes cannot hold %d raw ones in %d events", len(b.Gzip), b.Raw, b.Events)
	}
	if int64(cap(d.raw)) < b.Raw {
		d.raw = make([]byte, b.Raw)
	}
	d.raw = d.raw[:b.Raw]
	if err := d.gz.Member(d.raw, b.Gzip); err != nil {
		return nil, fmt.Errorf("%d packed bytes, %d raw ones: %w", len(b.Gzip), b.Raw, err)
	}
	if n := bytes.Count(d.raw, []byte{'\n'}); int64(n) != b.Events {
		return nil, fmt.Errorf("it holds %d lines, its header says %d events", n, b.Events)
	}
	if b.Raw > 0 && d.raw[b.Raw-1] != '\n' {
		return nil, errors.New("its last line is not ended")
	}
	return d.raw, nil
}
