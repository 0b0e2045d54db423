package csv_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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

// The bytes behind each Encoder version. When one of these changes (a new
// compressor, another rule), raise that version in Variant first.
func TestEncodersArePinned(t *testing.T) {
	for c, want := range map[string]string{
		"none": "csv/2 9f06dd98a42ee60b",
		"gzip": "csv-gzip/2 4bde8b42e541b9c2",
		"zstd": "csv-zstd/2 864e1cfbbcafc69c",
	} {
		o := stream.Output{Compression: c, Envelope: stream.Envelope{Style: "airbyte-1.x"}, Flattening: "root"}
		var buf bytes.Buffer
		if _, err := (csv.Format{}).Encode(&buf, o, formattest.Input(formattest.Blocks(t, 1, 4000, 2, 3, 900, 900, 900, 900, 4000, 1))); err != nil {
			t.Fatal(err)
		}
		v, err := csv.Format{}.Variant(o)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(buf.Bytes())
		if got := v.Encoder + " " + hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%s: got %q, want %q", c, got, want)
		}
	}
}
