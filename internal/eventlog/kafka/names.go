package kafka

import (
	"context"

	"strm/internal/eventlog"
	"strm/internal/problem"
)

// Names settles keys, ids, marks and stamps.
type Names interface{}

// settle appends an entry that has a Key, IDs or a Mark, or is Stamped. The entry has been checked.
func (l *Log) settle(_ context.Context, st *topic, _ eventlog.Entry) (eventlog.Appended, error) {
	return eventlog.Appended{}, errNoNames(st.streamID)
}

// Mark implements eventlog.Log.
func (l *Log) Mark(ctx context.Context, streamID, _ string) (uint64, error) {
	_, leave, err := l.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return 0, errNoNames(streamID)
}

// Unmark implements eventlog.Log.
func (l *Log) Unmark(ctx context.Context, streamID, _ string) error {
	_, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return errNoNames(streamID)
}

// closeNames ends what settling has opened. Calls have ended before it.
func (l *Log) closeNames() {}

// dropNames forgets the names of a stream that is dropped.
func (l *Log) dropNames(context.Context, string) error { return nil }

func errNoNames(streamID string) error {
	return problem.New(problem.Unavailable, "kafka: stream %s: entries with keys, ids, marks or stamps are not available: names are settled nowhere", streamID)
}
