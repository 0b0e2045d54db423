package parquet_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"strm/internal/format"
	"strm/internal/format/parquet"
	"strm/internal/stream"
)

// impressions returns events of about 544 bytes with 14 members, as blocks.
func impressions(tb testing.TB, n int) ([]stream.Block, int64) {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var out []stream.Block
	var bytesIn int64
	var raw bytes.Buffer
	next := stream.Offset(0)
	for i := range n {
		fmt.Fprintf(&raw, `{"key":"user-%08x-%08x","label":"default rule in segment %d","treatment":"%s","splitName":"checkout_button_color_%d","splitVersion":%d,`+
			`"properties":"{\"plan\":\"%s\",\"country\":\"%s\",\"age\":%d,\"device\":\"phone\",\"session\":\"%08x\"}","environmentId":"0f1e2d3c-aaaa-bbbb-cccc-00112233445%d",`+
			`"trafficTypeId":"d7c2f1a0-1111-2222-3333-44556677889%d","sdk":"go-client","sdkVersion":"6.%d.1","machineName":"ip-10-0-%d-%d","machineIp":"10.0.%d.%d","timestamp":%d,"receptionTimestamp":%d}`+"\n",
			r.Uint32(), r.Uint32(), r.IntN(20), []string{"on", "off", "control"}[r.IntN(3)], r.IntN(200), 1700000000000+r.Int64N(1000),
			[]string{"free", "pro", "team"}[r.IntN(3)], []string{"DE", "NL", "US", "FR"}[r.IntN(4)], r.IntN(90), r.Uint32(), r.IntN(3), r.IntN(4), r.IntN(9),
			r.IntN(8), r.IntN(250), r.IntN(8), r.IntN(250), 1760000000000+int64(i)*7, 1760000000100+int64(i)*7)
		if raw.Len() > 250<<10 || i == n-1 {
			packed := pack(tb, raw.String())
			events := int64(bytes.Count(raw.Bytes(), []byte{'\n'}))
			out = append(out, stream.Block{Gzip: packed, BlockHeader: stream.BlockHeader{
				Range: stream.Range{Start: next, End: next + stream.Offset(events)}, Events: events, Raw: int64(raw.Len()), Packed: int64(len(packed)),
				FirstAt: time.UnixMilli(1760000000000),
			}})
			next += stream.Offset(events)
			bytesIn += int64(raw.Len())
			raw.Reset()
		}
	}
	return out, bytesIn
}

const impressionSchema = `{"type":"object","properties":{"key":{"type":"string"},"label":{"type":"string"},"treatment":{"type":"string"},"splitName":{"type":"string"},
"splitVersion":{"type":"integer"},"properties":{"type":"string"},"environmentId":{"type":"string"},"trafficTypeId":{"type":"string"},"sdk":{"type":"string"},
"sdkVersion":{"type":"string"},"machineName":{"type":"string"},"machineIp":{"type":"string"},"timestamp":{"type":"integer"},"receptionTimestamp":{"type":"integer"}}}`

func BenchmarkEncode(b *testing.B) {
	const rows = 200_000
	blocks, size := impressions(b, rows)
	in := format.Input{StreamID: "0123456789abcdef", Blocks: func() format.Blocks {
		return func(yield func(stream.Block, error) bool) {
			for _, bl := range blocks {
				if !yield(bl, nil) {
					return
				}
			}
		}
	}}
	for _, c := range []struct {
		name string
		o    stream.Output
	}{
		{"none", stream.Output{Compression: "none", Table: stream.Table{Schema: impressionSchema}}},
		{"snappy", stream.Output{Compression: "snappy", Table: stream.Table{Schema: impressionSchema}}},
		{"zstd", stream.Output{Compression: "zstd", Table: stream.Table{Schema: impressionSchema}}},
		{"zstd-nodict", stream.Output{Compression: "zstd", Table: stream.Table{Schema: impressionSchema}, Parquet: stream.Parquet{NoDictionary: true}}},
		{"zstd-64MiB", stream.Output{Compression: "zstd", Table: stream.Table{Schema: impressionSchema}, Parquet: stream.Parquet{RowGroupBytes: 64 << 20}}},
		{"zstd-inferred", stream.Output{Compression: "zstd"}},
		{"zstd-airbyte", stream.Output{Compression: "zstd", Table: stream.Table{Schema: impressionSchema}, Envelope: stream.Envelope{Style: "airbyte-1.x"}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var out counter
			began := cpu()
			for b.Loop() {
				out = 0
				if _, err := (parquet.Format{}).Encode(&out, c.o, in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric((cpu()-began).Seconds()/float64(b.N)/rows*1e6, "cpu-s/Mrows")
			b.ReportMetric(float64(out)/1e6, "MB-file")
			b.ReportMetric(float64(size)/rows, "B/event")
		})
	}
}

// cpu returns the CPU time that the process has used: the machine may be busy.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func pack(tb testing.TB, text string) []byte {
	tb.Helper()
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := z.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}
