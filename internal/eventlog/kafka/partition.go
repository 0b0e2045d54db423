package kafka

import (
	"context"

	"strm/internal/stream"
)

// placed finds a partition of a stream with stream, or streamToAppend. If there is none, it
// looks at the topic anew: somebody else may have heard of new ones earlier.
func (l *Log) placed(ctx context.Context, streamID string, p stream.Partition, find func(context.Context, string) (*topic, error)) (*topic, *partition, error) {
	st, err := find(ctx, streamID)
	if err != nil {
		return nil, nil, err
	}
	part, err := st.partition(p)
	if err == nil || p < 0 || l.opts.Topics == nil {
		return st, part, err
	}
	l.forget(st)
	if st, err = find(ctx, streamID); err != nil {
		return nil, nil, err
	}
	part, err = st.partition(p)
	return st, part, err
}
