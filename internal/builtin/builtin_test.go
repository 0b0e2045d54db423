package builtin

import (
	"strings"
	"testing"

	"strm/internal/problem"
	"strm/internal/stream"
)

// What fits depends on the stream: its name and the partitions that a key may list.
func TestCheckOutputKnowsTheStream(t *testing.T) {
	out := func(prefix int) stream.Output {
		return stream.Output{PathPrefix: strings.Repeat("p", prefix), Compression: "gzip"}
	}
	for _, tt := range []struct {
		name       string
		partitions int
		longest    int // prefix
	}{
		{"demo", 1, stream.MaxPathPrefix},
		{strings.Repeat("s", stream.MaxName), 1, 860},
		{"demo", 256, 830},
		{strings.Repeat("s", stream.MaxName), 256, 734},
	} {
		if _, err := CheckOutput(out(tt.longest), tt.name, tt.partitions); err != nil {
			t.Errorf("%d bytes of prefix, %d of name, %d partitions: %v", tt.longest, len(tt.name), tt.partitions, err)
		}
		if _, err := CheckOutput(out(tt.longest+1), tt.name, tt.partitions); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%d bytes of prefix, %d of name, %d partitions: %v", tt.longest+1, len(tt.name), tt.partitions, err)
		}
	}
}

func TestCheckOutputFillsDefaults(t *testing.T) {
	got, err := CheckOutput(stream.Output{}, "demo", 1)
	if want := (stream.Output{Layout: "strm", Format: "jsonl", Compression: "none"}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}
