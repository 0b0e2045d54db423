package parquet_test

import (
	"testing"

	"strm/internal/format/formattest"
	"strm/internal/format/parquet"
	"strm/internal/stream"
)

func TestConformance(t *testing.T) {
	var outputs []stream.Output
	for _, c := range []string{"none", "snappy", "gzip", "zstd", "lz4", "brotli"} {
		outputs = append(outputs, stream.Output{Compression: c})
	}
	for _, e := range []stream.EnvelopeStyle{stream.EnvelopeTarsal, stream.EnvelopeTarsalProse, stream.EnvelopeAirbyte0, stream.EnvelopeAirbyte1} {
		outputs = append(outputs, stream.Output{Envelope: stream.Envelope{Style: e}})
	}
	formattest.Run(t, parquet.Format{}, outputs...)
}
