package exporter_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/stream"
)

// losses adds up what it is told.
type losses struct {
	quiet
	mu                 sync.Mutex
	undeclared, nulled int64
}

func (l *losses) Lost(_ string, undeclared, nulled int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undeclared += undeclared
	l.nulled += nulled
}

// balky refuses the first object, and stores it at the second try without
// saying so.
type balky struct {
	*mem.Bucket
	asked atomic.Int32
}

func (b *balky) Create(ctx context.Context, key string, c objstore.Content) error {
	if strings.Contains(key, ".strm_test_") {
		return b.Bucket.Create(ctx, key, c)
	}
	switch b.asked.Add(1) {
	case 1:
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Throttled}
	case 2:
		if err := b.Bucket.Create(ctx, key, c); err != nil {
			return err
		}
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous}
	}
	return b.Bucket.Create(ctx, key, c)
}

// What files do not hold of their events is counted once, whatever fails
// before, and told in the log and on the object.
func TestWhatIsLeftOutIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		output             stream.Output
		undeclared, nulled int64
		metadata           [2]string
	}{
		"csv":       {stream.Output{Format: "csv", Table: stream.Table{Schema: `{"properties":{"other":{}}}`}}, 5, 0, [2]string{"5", ""}},
		"parquet":   {stream.Output{Format: "parquet", Table: stream.Table{Schema: `{"properties":{"other":{}}}`}}, 5, 0, [2]string{"5", ""}},
		"nulled":    {stream.Output{Format: "parquet", Table: stream.Table{Schema: `{"properties":{"id":{"type":"boolean"}}}`}}, 0, 5, [2]string{"", "5"}},
		"no schema": {stream.Output{Format: "parquet"}, 0, 0, [2]string{}},
		"jsonl":     {stream.Output{}, 0, 0, [2]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.output, 1)
			var log bytes.Buffer
			seen := &losses{}
			w.logger, w.observe = slog.New(slog.NewTextHandler(&log, nil)), seen
			store := &balky{Bucket: w.store}
			p := w.start(nil, func(*process, objstore.Bucket) objstore.Bucket { return store })
			w.append(5, time.Now())
			w.flush(p)
			w.stop()
			if n := store.asked.Load(); n != 3 {
				t.Errorf("put %d times", n)
			}
			if seen.undeclared != c.undeclared || seen.nulled != c.nulled {
				t.Errorf("%d undeclared, %d nulled", seen.undeclared, seen.nulled)
			}
			said := strings.Count(log.String(), "place in the declared schema")
			if lost := c.undeclared+c.nulled > 0; said > 1 || (said == 1) != lost || lost && c.undeclared > 0 && !strings.Contains(log.String(), "undeclared=id") {
				t.Errorf("log: %s", log.String())
			}
			if got := metadataOf(t, w.store); got != c.metadata {
				t.Errorf("metadata %q", got)
			}
		})
	}
}

// metadataOf returns what the one object with events says of its losses.
func metadataOf(t *testing.T, b *mem.Bucket) (out [2]string) {
	t.Helper()
	for info, err := range b.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		info, err = b.Stat(t.Context(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		if info.Metadata["strm-events"] == "5" {
			return [2]string{info.Metadata["strm-undeclared"], info.Metadata["strm-nulled"]}
		}
	}
	t.Fatal("there is no object of five events")
	return out
}
