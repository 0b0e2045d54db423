package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/stream"
)

// clicks makes n clickstream-like events of about 544 bytes.
func clicks(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for i := range n {
		start := b.Len()
		fmt.Fprintf(&b, `{"event":"page_view","id":"%016x","user":{"id":"u-%06d","session":"%08x","consent":[0,1,2]},"page":{"url":"https://shop.example/products/%d?ref=%d","title":"Product %d","referrer":"https://search.example/"},"at":"2026-03-01T12:%02d:%02d.%03dZ","agent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","n":%d,"amount":%d.%02d,"pad":"`,
			rng.Uint64(), rng.IntN(100000), rng.Uint32(), rng.IntN(1000), rng.IntN(50), rng.IntN(1000), i%60, rng.IntN(60), rng.IntN(1000), i, rng.IntN(500), rng.IntN(100))
		for b.Len()-start < 541 {
			fmt.Fprintf(&b, "%x ", rng.IntN(4096))
		}
		b.WriteString("\"}\n")
	}
	return b.Bytes()
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend appends from 8 goroutines to a real disk, each append durable
// before it returns. cpu-µs/op is the processor time of the whole process.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name   string
		events int
		key    bool
	}{{"54KB", 100, false}, {"54KBKeyed", 100, true}, {"544B", 1, false}} {
		b.Run(c.name, func(b *testing.B) {
			l, err := embedded.Open(b.TempDir(), embedded.Options{Logger: quiet})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := l.Close(); err != nil {
					b.Error(err)
				}
			}()
			if err := l.Create(context.Background(), id, 4); err != nil {
				b.Fatal(err)
			}
			data := clicks(c.events)
			b.SetBytes(int64(len(data)))
			var wg sync.WaitGroup
			work := make(chan int)
			b.ResetTimer()
			used := cpu()
			for w := range 8 {
				wg.Go(func() {
					for i := range work {
						e := eventlog.Entry{Partition: stream.Partition(w % 4), Events: c.events, Data: data}
						if c.key {
							e.Key = fmt.Sprintf("request-%016x", i)
						}
						if _, err := l.Append(context.Background(), id, e); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				work <- i
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64((cpu()-used).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(l.Stats().Commits)/float64(b.N), "commits/op")
		})
	}
}

// BenchmarkGzip is the floor of BenchmarkAppend: compression alone.
func BenchmarkGzip(b *testing.B) {
	data := clicks(100)
	b.SetBytes(int64(len(data)))
	zw, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	var out bytes.Buffer
	used := cpu()
	for range b.N {
		out.Reset()
		zw.Reset(&out)
		if _, err := zw.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-used).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(len(data))/float64(out.Len()), "ratio")
}

// BenchmarkRead reads blocks of 54 KB in order.
func BenchmarkRead(b *testing.B) {
	l, err := embedded.Open(b.TempDir(), embedded.Options{Logger: quiet})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	if err := l.Create(context.Background(), id, 1); err != nil {
		b.Fatal(err)
	}
	data := clicks(100)
	const blocks = 4000
	for range blocks {
		if _, err := l.Append(context.Background(), id, eventlog.Entry{Events: 100, Data: data}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(data)))
	b.ResetTimer()
	used := cpu()
	for n := 0; n < b.N; {
		for blk, err := range l.Read(context.Background(), id, stream.Range{End: blocks * 100}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n >= b.N || len(blk.Gzip) == 0 {
				break
			}
		}
	}
	b.ReportMetric(float64((cpu()-used).Microseconds())/float64(b.N), "cpu-µs/op")
}
