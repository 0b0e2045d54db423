package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestNormalise(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"sinks create s3 x -bn b -cf f.json", "sinks create s3 x --bucket-name b --credentials-file f.json"},
		{"sinks create s3 x --bucket-name b --credentials-file f.json", "sinks create s3 x --bucket-name b --credentials-file f.json"},
		{"sinks create s3 x -bn=b -c {}", "sinks create s3 x --bucket-name=b -c {}"},
		{"sinks list -n x -st s3", "sinks list -n x --sink-type s3"},
		{"exporters create demo -en e -sn s -st s3 -i 30 -pp p", "exporters create demo --exporter-name e --sink-name s --sink-type s3 -i 30 --path-prefix p"},
		{"exporters delete demo -en e", "exporters delete demo --exporter-name e"},
		{"--server http://h -o table exporters get demo -en e", "--server http://h -o table exporters get demo --exporter-name e"},
		{"--server=http://h sinks list -st s3", "--server=http://h sinks list --sink-type s3"},
		{"sinks create s3 x -bn -cf", "sinks create s3 x --bucket-name -cf"}, // a bucket of that name
		{"sinks create s3 x -- -bn", "sinks create s3 x -- -bn"},
		{"sinks create s3 x -bn", "sinks create s3 x --bucket-name"},
		{"streams create demo -d -st -t a", "streams create demo -d -st -t a"},
		// The other commands keep cobra's reading.
		{"create sink x b -st s3", "create sink x b -st s3"},
		{"list sinks -bn", "list sinks -bn"},
		{"--server sinks list -bn", "--server sinks list -bn"},
		{"", ""},
		{"-h", "-h"},
		{"--server", "--server"},
	} {
		in := strings.Fields(tt.in)
		before := slices.Clone(in)
		if got := strings.Join(normalise(in), " "); got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.in, got, tt.want)
		}
		if !slices.Equal(in, before) {
			t.Errorf("%s: the caller's slice was changed", tt.in)
		}
	}
}
