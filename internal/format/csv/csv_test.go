package csv_test

import (
	"testing"

	"strm/internal/format/csv"
	"strm/internal/format/formattest"
	"strm/internal/stream"
)

func TestConformance(t *testing.T) {
	var outputs []stream.Output
	for _, c := range []string{"none", "gzip", "zstd"} {
		for _, e := range []stream.EnvelopeStyle{"", stream.EnvelopeTarsal, stream.EnvelopeTarsalProse, stream.EnvelopeAirbyte0, stream.EnvelopeAirbyte1} {
			for _, f := range []stream.Flattening{"none", "root"} {
				outputs = append(outputs, stream.Output{Compression: c, Envelope: stream.Envelope{Style: e}, Flattening: f})
			}
		}
	}
	formattest.Run(t, csv.Format{}, outputs...)
}
