package ingest_test

import (
	"context"
	"iter"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/simulate"
	"strm/internal/stream"
)

// discard is a log that takes everything at once, so that only the intake is measured.
type discard struct{ eventlog.Log }

func (discard) Append(_ context.Context, _ string, e eventlog.Entry) (eventlog.Appended, error) {
	return eventlog.Appended{Events: e.Events}, nil
}

func (discard) Read(context.Context, string, stream.Range) iter.Seq2[stream.Block, error] { return nil }

// lines returns n events of 544 bytes with their line feeds.
func lines(n int, meta bool) []byte {
	g := simulate.New(1, simulate.Options{NoMeta: !meta})
	var b []byte
	for range n {
		start := len(b)
		b = g.Append(b)
		b = append(b[:len(b)-1], `,"pad":"`...)
		for len(b)-start < 544-3 {
			b = append(b, 'x')
		}
		b = append(b, "\"}\n"...)
	}
	return b
}

func BenchmarkIngest(b *testing.B) {
	const n = 100
	for _, c := range []struct {
		name       string
		meta, sent bool
	}{
		{"as-sent", false, false},
		{"strmMeta-added", true, false},
		{"strmMeta-merged", true, true},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := ingest.New(discard{}, ingest.Options{})
			body := lines(n, c.sent)
			req := ingest.Request{Stream: stream.Stream{ID: "s", Name: "s", Partitions: 1, StrmMeta: c.meta}, Body: body, Received: time.Now()}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			cpu := cpuTime(b)
			for b.Loop() {
				if _, err := g.Ingest(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
			report(b, cpuTime(b)-cpu, n, len(body))
		})
	}
	b.Run("gjson-alone", func(b *testing.B) {
		body := lines(n, false)
		ev := len(body) / n
		cpu := cpuTime(b)
		for b.Loop() {
			for i := 0; i < len(body); i += ev {
				if !gjson.ValidBytes(body[i : i+ev]) {
					b.Fatal("not valid")
				}
			}
		}
		report(b, cpuTime(b)-cpu, n, len(body))
	})
}

func report(b *testing.B, cpu time.Duration, events, size int) {
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/float64(events), "cpu-ns/event")
	b.ReportMetric(float64(size)*float64(b.N)/1e6/cpu.Seconds(), "MB/cpu-s")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
