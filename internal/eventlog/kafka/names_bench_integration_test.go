//go:build integration

package kafka

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"strm/internal/stream"
)

// TestNamedAppendsCost logs what appends with names cost on real brokers, SQLite settling them.
func TestNamedAppendsCost(t *testing.T) {
	s := newRealStore(t)
	s.line = &line{}
	l := s.node("one", s.ledger)
	ctx := context.Background()
	if err := l.Create(ctx, faultStream, 4); err != nil {
		t.Fatal(err)
	}
	s.book.set(faultStream, &stream.Topic{Name: l.opts.Prefix + faultStream, Values: stream.ValuesJSON})
	for _, clients := range []int{1, 64} {
		const each = 10
		var n, spent atomic.Int64
		var wg sync.WaitGroup
		before, began := cpu(t), time.Now()
		until := began.Add(5 * time.Second)
		for c := range clients {
			wg.Go(func() {
				for i := 0; time.Now().Before(until); i++ {
					var ids []string
					for k := range each {
						ids = append(ids, fmt.Sprintf("%d-%d-%d-%d", clients, c, i, k))
					}
					e := withIDs(ids...)
					e.Partition = stream.Partition(c % 4)
					one := time.Now()
					if a, err := l.Append(ctx, faultStream, e); err != nil || a.Events != each {
						t.Errorf("%+v, %v", a, err)
						return
					}
					spent.Add(int64(time.Since(one)))
					n.Add(1)
				}
			})
		}
		wg.Wait()
		took, used := time.Since(began), cpu(t)-before
		t.Logf("%d clients: %d appends of %d events, %.0f appends/s, %v each, %v of CPU per append",
			clients, n.Load(), each, float64(n.Load())/took.Seconds(), time.Duration(spent.Load()/max(1, n.Load())).Round(10*time.Microsecond), (used / time.Duration(max(1, n.Load()))).Round(time.Microsecond))
	}
}

func cpu(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
