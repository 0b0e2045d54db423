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
// Event n of a block has offset Range.Start+n, so a block without Offsets must cover
// exactly as many offsets as it holds events. One decoder and one buffer serve all blocks.
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
			for n := range int(b.Events) {
				at := offset(&b, n)
				if at >= r.End {
					break
				}
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

// offset returns that of event n of a block that decode has checked.
func offset(b *stream.Block, n int) stream.Offset {
	if b.Offsets != nil {
		return b.Offsets[n]
	}
	return b.Range.Start + stream.Offset(n)
}

// checkOffsets holds a block's offsets against its range and count.
func checkOffsets(b *stream.Block) error {
	span := int64(b.Range.End - b.Range.Start)
	switch {
	case b.Events == 0 && b.Gzip == nil && len(b.Offsets) == 0:
		return nil
	case b.Offsets == nil && span != b.Events:
		return fmt.Errorf("it covers %d offsets but holds %d events", span, b.Events)
	case b.Offsets != nil && int64(len(b.Offsets)) != b.Events:
		return fmt.Errorf("it names %d offsets but holds %d events", len(b.Offsets), b.Events)
	}
	at := b.Range.Start
	for _, o := range b.Offsets {
		if o < at || o >= b.Range.End {
			return fmt.Errorf("its offset %d is out of order, or not in its range", o)
		}
		at = o + 1
	}
	return nil
}

// Plain returns the lines of a block that holds no gzip member (Gzip is nil), after
// checking them against its header. Nothing is copied.
func Plain(b *stream.Block) ([]byte, error) {
	if err := checkOffsets(b); err != nil {
		return nil, err
	}
	if int64(len(b.Lines)) != b.Raw {
		return nil, fmt.Errorf("it holds %d bytes, its header says %d", len(b.Lines), b.Raw)
	}
	return b.Lines, checkLines(b.Lines, b.Events)
}

func checkLines(raw []byte, events int64) error {
	if n := bytes.Count(raw, []byte{'\n'}); int64(n) != events {
		return fmt.Errorf("it holds %d lines, its header says %d events", n, events)
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		return errors.New("its last line is not ended")
	}
	return nil
}

// decode returns the block's lines after checking them against its header.
func (d *blockDecoder) decode(b *stream.Block) ([]byte, error) {
	if b.Gzip == nil {
		return Plain(b)
	}
	if err := checkOffsets(b); err != nil {
		return nil, err
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
	return d.raw, checkLines(d.raw, b.Events)
}
