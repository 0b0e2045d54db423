package format

import (
	"bytes"
	"iter"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Event is one event of a block.
type Event struct {
	Partition stream.Partition
	Offset    stream.Offset
	At        time.Time // received time of the first event of its block: blocks keep no other
	Data      []byte    // without its '\n'; valid only until the iteration goes on
}

// Events yields all events of the blocks, in order. As with Lines, a block is
// checked as a whole before its first event is yielded, and the first error ends
// the iteration.
func Events(blocks Blocks) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		var d blockDecoder
		for b, err := range blocks {
			if err != nil {
				yield(Event{}, err)
				return
			}
			raw, err := d.decode(&b)
			if err != nil {
				yield(Event{}, problem.New(problem.Corrupt, "block %v is damaged: %w", b.Range, err))
				return
			}
			e := Event{Partition: b.Range.Partition, At: b.FirstAt}
			for n := range int(b.Events) {
				e.Offset = offset(&b, n)
				end := bytes.IndexByte(raw, '\n') // decode has counted them
				e.Data = raw[:end:end]
				if !yield(e, nil) {
					return
				}
				raw = raw[end+1:]
			}
		}
	}
}
