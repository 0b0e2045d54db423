package exporter

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"strm/internal/objstore"
	"strm/internal/stream"
)

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
		v.blocked = objstore.NeedsPerson(err) || errors.Is(err, errNoReader)
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
