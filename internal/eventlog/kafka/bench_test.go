package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// benchLog is a log on a cluster in memory, with a stream of one partition.
func benchLog(b *testing.B) *Log {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	l, err := Open(Options{Brokers: c.ListenAddrs()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	if err := l.Create(context.Background(), testID, 1); err != nil {
		b.Fatal(err)
	}
	return l
}

func benchEntry(events int) eventlog.Entry {
	var data strings.Builder
	for i := range events {
		fmt.Fprintf(&data, `{"event":"page viewed","n":%d,"user":"u%d","path":"/products/%d","ok":true,"pad":"%s"}`+"\n", i, i%977, i*7919%1000, strings.Repeat("x", 80))
	}
	return eventlog.Entry{Events: events, Data: []byte(data.String()), Received: noon}
}

// One operation is one event.
func BenchmarkRead(b *testing.B) {
	l, ctx := benchLog(b), context.Background()
	e := benchEntry(1000)
	const events = 200_000
	for range events / e.Events {
		if _, err := l.Append(ctx, testID, e); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(e.Data) / e.Events))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; {
		for blk, err := range l.Read(ctx, testID, stream.Range{End: stream.Offset(min(events, b.N-n))}) {
			if err != nil {
				b.Fatal(err)
			}
			n += int(blk.Events)
		}
	}
}

// One operation is one event, of entries of a thousand.
func BenchmarkAppend(b *testing.B) {
	l, ctx := benchLog(b), context.Background()
	e := benchEntry(1000)
	b.SetBytes(int64(len(e.Data) / e.Events))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += e.Events {
		if _, err := l.Append(ctx, testID, e); err != nil {
			b.Fatal(err)
		}
	}
}
