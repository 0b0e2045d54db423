package wire_test

import (
	"strings"
	"testing"

	"strm/internal/collect/split/wire"
)

func BenchmarkLines(b *testing.B) {
	one := `{"k":"user-1","t":"on","m":1795161717149,"c":1700000000000,"r":"default rule","pt":1795161717148}`
	event := `{"eventTypeId":"checkout","trafficTypeName":"user","value":39.95,"timestamp":1795161717150,"key":"user1","properties":{"sku":"x","qty":2}}`
	for name, c := range map[string]struct {
		kind wire.Kind
		body string
	}{
		"impressions": {wire.Impressions, `[{"f":"checkout_v2","i":[` + strings.TrimSuffix(strings.Repeat(one+",", 1000), ",") + `]}]`},
		"events":      {wire.Events, `[` + strings.TrimSuffix(strings.Repeat(event+",", 1000), ",") + `]`},
	} {
		b.Run(name, func(b *testing.B) {
			var w wire.Writer
			dst := make([]byte, 0, 1<<20)
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				e, err := wire.Open(wire.Mend([]byte(c.body)))
				if err != nil {
					b.Fatal(err)
				}
				w.Begin(c.kind, e.Entries, wire.Facts{Split: environment, Received: received, SDK: "nodejs-11.11.2"})
				dst, _ = w.Append(dst[:0], 1<<20)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/entry")
		})
	}
}
