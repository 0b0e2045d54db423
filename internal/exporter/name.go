package exporter

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
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

// owner is whose an object under one of our keys is.
type owner int

const (
	nobody owner = iota // it is not there any more
	ours
	theirs
	alike // its bytes are those of ours, and nothing else tells
)

var errNoReader = errors.New("the sink cannot be read")

// whose looks at the object that is in the way of o. The error is the store's.
func whose(ctx context.Context, bucket objstore.Bucket, b *stream.Batch, o *stream.Object) (owner, error) {
	if s, ok := bucket.(objstore.Stater); ok {
		info, err := s.Stat(ctx, o.Key)
		if err != nil {
			return gone(err)
		}
		switch id := info.Metadata[batchMark]; {
		case id == b.ID:
			return ours, nil
		case id != "", info.Size != o.Bytes:
			return theirs, nil
		}
	}
	rd, ok := bucket.(objstore.Reader)
	if !ok {
		return nobody, errNoReader
	}
	body, info, err := rd.Open(ctx, o.Key)
	if err != nil {
		return gone(err)
	}
	is := theirs
	switch id := info.Metadata[batchMark]; {
	case id == b.ID:
		is = ours
	case id == "" && info.Size == o.Bytes:
		sum := crc32.NewIEEE()
		if _, err = io.Copy(sum, body); err == nil && sum.Sum32() == o.CRC32 {
			is = alike
		}
	}
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return is, err
}

func gone(err error) (owner, error) {
	if objstore.AsError(err).Reason == objstore.NoObject {
		return nobody, nil
	}
	return nobody, err
}

// meet judges "exists" where others may have the key: by looking, not by what is
// remembered of attempts. maybe is as in settle. move says that the object is
// another's, that nothing of the batch is in the bucket, and that other keys are the way.
func meet(ctx context.Context, bucket objstore.Bucket, b *stream.Batch, o *stream.Object, maybe bool, exists error) (v verdict, move bool) {
	is, err := whose(ctx, bucket, b, o)
	v = verdict{maybeStored: maybe}
	switch {
	case err != nil:
		v.blocked = NeedsPerson(err) || errors.Is(err, errNoReader)
		v.problem = fmt.Sprintf("the object %s exists, and whether it is of this batch must be seen (s3:GetObject; strm policy prints what is needed): %v", o.Key, err)
	case is == nobody:
		v.problem = fmt.Sprintf("the object %s existed, and is gone again", o.Key)
	case is == ours, is == alike && maybe:
		v = verdict{stored: true, maybeStored: true}
	default:
		v = settle(false, exists)
		v.maybeStored = maybe
		move = is == theirs && !maybe
	}
	return v, move
}

// needConditions is why a batch is not written where objects may be replaced.
func needConditions(layout string) string {
	return fmt.Sprintf("the store does not know conditional writes, and the keys of layout %s may be another's too: "+
		"they could be overwritten. Give the exporter a layout with {batch} or {uuid} in it; or, if the store knows them by now, save the sink anew (strm update sink)", layout)
}
