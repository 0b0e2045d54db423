package embedded_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// What is kept beside events is told as it was stored, stream by stream, however
// much there is of it, and also after the log was closed.
func TestKept(t *testing.T) {
	ctx := context.Background()
	s := newMemStore(t)
	l, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	const many = 2500
	for _, id := range []string{"a", "b"} {
		if err := l.Create(ctx, id, 2); err != nil {
			t.Fatal(err)
		}
	}
	for i := range many {
		e := eventlog.Entry{Partition: stream.Partition(i % 2), Events: 1, Data: []byte("{}\n"), Received: time.Now(), Key: fmt.Sprint("key", i), Digest: uint64(i)}
		if _, err := l.Append(ctx, "a", e); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		e := eventlog.Entry{Events: 2, Data: []byte("{}\n{}\n"), Received: time.Now(), IDs: []eventlog.ID{eventlog.NewID(fmt.Append(nil, i)), eventlog.NewID(fmt.Append(nil, i, "x"))}, IDWindow: time.Hour}
		if _, err := l.Append(ctx, "a", e); err != nil {
			t.Fatal(err)
		}
	}
	for stream, mark := range map[string]string{"a": "file", "b": "other"} {
		if _, err := l.Append(ctx, stream, eventlog.Entry{Events: 1, Data: []byte("{}\n"), Received: time.Now(), Mark: mark, MarkAt: 7}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for k, err := range s.log.Keys(ctx, "a") {
		if err != nil {
			t.Fatal(err)
		}
		i := int(k.Digest)
		if k.Key != fmt.Sprint("key", i) || k.Range.Partition != stream.Partition(i%2) || k.Range.Start != stream.Offset(i/2) || k.Range.End != k.Range.Start+1 || time.Since(k.Stored) > time.Hour {
			t.Fatalf("key %+v", k)
		}
		keys[k.Key] = true
	}
	if len(keys) != many {
		t.Errorf("%d keys of %d", len(keys), many)
	}
	ids := map[eventlog.ID]bool{}
	for k, err := range s.log.IDs(ctx, "a") {
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range k.IDs {
			ids[id] = true
		}
	}
	if len(ids) != 10 || !ids[eventlog.NewID([]byte("3"))] {
		t.Errorf("%d ids of 10", len(ids))
	}
	for k, err := range s.log.Marks(ctx, "b") {
		if err != nil || k.Mark != "other" || k.At != 7 {
			t.Errorf("mark %+v, %v", k, err)
		}
	}
	for range s.log.Keys(ctx, "b") {
		t.Error("a key of another stream")
	}
	for _, err := range s.log.Keys(ctx, "gone") {
		if problem.KindOf(err) != problem.NotFound {
			t.Error(err)
		}
	}
	for range s.log.Keys(ctx, "a") {
		break // an iteration may end early
	}
}
