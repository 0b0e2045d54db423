package rawlog_test

import (
	"fmt"
	"testing"

	"strm/internal/collect/segment/rawlog"
	"strm/internal/eventlog"
)

// hundred is a batch of 100 calls of about 500 bytes, as a server SDK sends them.
func hundred() []byte {
	b := []byte(`{"batch":[`)
	for i := range 100 {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"timestamp":"2026-11-20T07:57:43.%03dZ","integrations":{},"event":"Order Completed","type":"track",`+
			`"properties":{"order_id":"50314b8e9bcf000000%06d","total":27.50,"currency":"USD","coupon":"hasbros","products":[{"product_id":"507f1f77bcf86cd799439011","sku":"45790-32","price":19,"quantity":1}]},`+
			`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"userId":"user-%06d","messageId":"node-next-1795161463647-371fd150-9eff-40e6-9c5d-%012d",`+
			`"_metadata":{"nodeVersion":"v20.20.2","jsRuntime":"node"}}`, i, i, i, i)
	}
	return append(b, `],"writeKey":"WK_node_new","sentAt":"2026-11-20T07:57:43.667Z"}`...)
}

func BenchmarkLines(b *testing.B) {
	for _, c := range []struct {
		name    string
		body    []byte
		channel string
	}{
		{"node", capture(b, "node-3.1.0-batch"), "server"},
		{"browser", capture(b, "browser-1.84.3-batch"), "client"},
		{"go", capture(b, "go-3.3.0-batch"), "server"},
		{"100x500", hundred(), "server"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p rawlog.Parser
			var out []byte
			var ids []eventlog.ID
			f := facts(c.channel, "203.0.113.7", "")
			calls := 0
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				batch, err := p.Parse(c.body, "", rawlog.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				out, ids = batch.AppendLines(out[:0], ids[:0], f)
				calls += len(ids)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(calls), "ns/event")
			b.ReportMetric(float64(len(c.body))*float64(b.N)/float64(calls), "bytes/event")
		})
	}
}

// Once its memory has grown, a Parser allocates nothing.
func TestNothingIsAllocatedPerCall(t *testing.T) {
	var p rawlog.Parser
	var out []byte
	var ids []eventlog.ID
	for _, c := range captures {
		body, f := capture(t, c.name), facts(c.channel, "203.0.113.7", "WK")
		one := func() {
			batch, err := p.Parse(body, c.callType, rawlog.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			out, ids = batch.AppendLines(out[:0], ids[:0], f)
		}
		one()
		if n := testing.AllocsPerRun(20, one); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// Bodies made to hurt cost no more than a constant for each of their bytes.
func BenchmarkHostile(b *testing.B) {
	const size = 500_000
	repeat := func(part func(i int) string) []byte {
		body := []byte(`{"type":"page","userId":"u"`)
		for i := 0; len(body) < size; i++ {
			body = append(body, part(i)...)
		}
		return append(body, '}')
	}
	for _, c := range []struct {
		name string
		body []byte
	}{
		{"equal-keys", repeat(func(int) string { return `,"a":0` })},
		{"falling-keys", repeat(func(i int) string { return fmt.Sprintf(`,"%06x":0`, size-i) })},
		{"escaped-keys", repeat(func(i int) string {
			return fmt.Sprintf(`,"\u0061\u0061\u0061\u0061\u0061\u0061\u0061\u0061%06x":0`, size-i)
		})},
		{"long-equal-prefixes", repeat(func(i int) string { return fmt.Sprintf(`,"%01000x":0`, (i*7919)%4096) })},
		{"brackets", repeat(func(i int) string { return fmt.Sprintf(`,"%d":[{},[ ],{}]`, i) })},
	} {
		b.Run(c.name, func(b *testing.B) {
			var p rawlog.Parser
			var out []byte
			b.SetBytes(int64(len(c.body)))
			f := facts("server", "", "")
			for b.Loop() {
				batch, err := p.Parse(c.body, "", rawlog.Limits{MaxEvent: 2 * size})
				if err != nil {
					b.Fatal(err)
				}
				out, _ = batch.AppendLines(out[:0], nil, f)
			}
		})
	}
}
