package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// serialIDs makes n ids that are like hashes, from a number on.
func serialIDs(from uint64, n int) []eventlog.ID {
	ids := make([]eventlog.ID, n)
	for i := range ids {
		ids[i] = serialID(from + uint64(i))
	}
	return ids
}

// serialID spreads n over an id; distinct numbers get distinct ids.
func serialID(n uint64) (id eventlog.ID) {
	mix := func(x uint64) uint64 {
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return x ^ x>>31
	}
	binary.BigEndian.PutUint64(id[:], mix(n+0x9e3779b97f4a7c15))
	binary.BigEndian.PutUint64(id[8:], mix(^n))
	return id
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func benchEntry(events int) eventlog.Entry {
	var data []byte
	for i := range events {
		data = fmt.Appendf(data, `{"type":"track","event":"Order Completed","messageId":"ajs-next-%016x","n":%d}`+"\n", uint64(i)*0x9e3779b97f4a7c15, i)
	}
	return eventlog.Entry{Events: events, Data: data, IDWindow: 24 * time.Hour}
}

// storeIDs stores n ids without events, as entries of so many, and waits until
// the engine rests.
func storeIDs(b *testing.B, l *Log, n, events int) {
	b.Helper()
	s, err := l.stream(testID)
	if err != nil {
		b.Fatal(err)
	}
	set, err := l.idSetOf(b.Context(), s, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	for at := 0; at < n; {
		batch := l.db.NewBatch()
		for ; at < n && batch.Len() < 1<<20; at += events {
			w := &waiter{entry: &eventlog.Entry{Events: events, IDWindow: time.Hour}, set: set, ids: serialIDs(uint64(at), events)}
			if _, err := s.partitions[0].fillIDs(batch, []*waiter{w}); err != nil {
				b.Fatal(err)
			}
			set.insert(w.ids, w.runs)
		}
		if err := l.apply(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.db.Flush(); err != nil {
		b.Fatal(err)
	}
	for l.db.Metrics().Compact.NumInProgress > 0 {
		runtime.Gosched()
	}
}

// BenchmarkIDs appends entries of 100 and of 10 events from 8 goroutines to a
// real disk: without ids, with new ids, and with ids that were stored before.
// known is how many ids the stream has before.
func BenchmarkIDs(b *testing.B) {
	for _, c := range []struct {
		name          string
		events, known int
		ids, repeat   bool
	}{
		{"100/none", 100, 0, false, false},
		{"100/new", 100, 0, true, false},
		{"100/new10M", 100, 10_000_000, true, false},
		{"100/repeat", 100, 0, true, true},
		{"10/none", 10, 0, false, false},
		{"10/new", 10, 0, true, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			l, err := Open(b.TempDir(), testOptions(nil))
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := l.Close(); err != nil {
					b.Error(err)
				}
			}()
			if err := l.Create(context.Background(), testID, 4); err != nil {
				b.Fatal(err)
			}
			if c.known > 0 {
				storeIDs(b, l, c.known, 100)
			}
			e := benchEntry(c.events)
			run := func(n int, from uint64) {
				var wg sync.WaitGroup
				work := make(chan int)
				for w := range 8 {
					wg.Go(func() {
						for i := range work {
							e := e
							e.Partition = stream.Partition(w % 4)
							if c.ids {
								e.IDs = serialIDs(from+uint64(i*c.events), c.events)
							}
							if _, err := l.Append(context.Background(), testID, e); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for i := range n {
					work <- i
				}
				close(work)
				wg.Wait()
			}
			if c.repeat {
				run(b.N, 1<<40)
			}
			b.ResetTimer()
			used := processorTime()
			run(b.N, 1<<40)
			b.ReportMetric(float64((processorTime()-used).Nanoseconds())/1e3/float64(b.N*c.events), "cpu-µs/event")
		})
	}
}

// BenchmarkIDsOpening reads 10 million ids back, stored by entries of so many.
func BenchmarkIDsOpening(b *testing.B) {
	for _, events := range []int{100, 10} {
		b.Run(fmt.Sprint(events), func(b *testing.B) { benchOpening(b, events) })
	}
}

func benchOpening(b *testing.B, events int) {
	const known = 10_000_000
	dir := b.TempDir()
	l, err := Open(dir, testOptions(nil))
	if err != nil {
		b.Fatal(err)
	}
	if err := l.Create(context.Background(), testID, 1); err != nil {
		b.Fatal(err)
	}
	used := processorTime()
	storeIDs(b, l, known, events)
	store := float64((processorTime() - used).Nanoseconds()) / 1e3 / known
	m := l.db.Metrics()
	disk := float64(int64(m.BlobFiles.LiveSize)+m.Total().TablesSize) / known
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	l = nil
	b.ResetTimer()
	b.ReportMetric(store, "store-cpu-µs/id")
	b.ReportMetric(disk, "disk-bytes/id")
	for range b.N {
		l, err := Open(dir, testOptions(nil))
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.stream(testID)
		if err != nil {
			b.Fatal(err)
		}
		base := heap()
		used, start := processorTime(), time.Now()
		set, err := l.idSetOf(b.Context(), s, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		took, cpu := time.Since(start), processorTime()-used
		b.ReportMetric(float64(heap()-base+l.idTables.mapped.Load())/1e6, "memory-MB")
		b.ReportMetric(took.Seconds(), "load-s")
		b.ReportMetric(cpu.Seconds(), "load-cpu-s")
		ids, bytes := set.size()
		b.ReportMetric(float64(bytes)/float64(ids), "table-bytes/id")
		b.ReportMetric(float64(len(set.gens)), "generations")
		if ids != known {
			b.Fatalf("%d ids came back", ids)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
