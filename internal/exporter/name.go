package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/stream"
)

// name gives the objects of a batch the keys that its plan makes of them. v is
// the format's.
func name(b *stream.Batch, lay layout.Layout, v format.Variant) {
	for i := range b.Objects {
		o := &b.Objects[i]
		facts := layout.Facts{
			Prefix: b.Output.PathPrefix, Stream: b.Output.StreamPrefix + b.Stream, Source: b.Output.Source,
			Batch: b.ID, Seq: b.Seq, Part: i, CutAt: b.CutAt, Received: o.Received, Ext: v.Ext, Compression: v.Compression,
		}
		for j, r := range o.Ranges {
			if j == 0 || r.Partition != o.Ranges[j-1].Partition {
				facts.Partitions = append(facts.Partitions, r.Partition)
			}
		}
		o.Key = lay.Key(facts)
	}
}

// maxMoments bounds how many milliseconds are tried for a key that is free in
// the ledger. So many plans for one place within a second mean something else.
const maxMoments = 1000

// taken reports whether a plan was refused because of a key.
func taken(err error) bool {
	var t *stream.KeyTakenError
	return errors.As(err, &t)
}

// maxMoves bounds how often one round gives a batch other names.
const maxMoves = 16

// move names a batch of which nothing is in the bucket by a later moment, in
// the ledger and in b. After an error b is as it was, and the ledger may not be:
// then Save refuses it, and the lane reads the ledger again.
func (r *Runner) move(ctx context.Context, b *stream.Batch, lay layout.Layout) error {
	f, err := r.format(b.Output.Format)
	if err != nil {
		return err
	}
	v, err := f.Variant(b.Output)
	if err != nil {
		return err
	}
	moved := *b
	moved.Objects = slices.Clone(b.Objects)
	for range maxMoments {
		moved.CutAt = moved.CutAt.Add(time.Millisecond)
		name(&moved, lay, v)
		if err = r.ledger.Rekey(ctx, &moved); err == nil {
			*b = moved
			return nil
		}
		if !taken(err) {
			break
		}
	}
	return fmt.Errorf("name batch %s anew: %w", b.ID, err)
}

// untouched reports whether nothing of a batch is, or may be, in the bucket.
func untouched(b *stream.Batch) bool {
	return !slices.ContainsFunc(b.Objects, func(o stream.Object) bool { return o.Stored || o.MaybeStored })
}
