package flags_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"strm/internal/collect/split/flags"
	"strm/internal/stream"
)

// Whatever file is taken, every answer is JSON that says how far it goes, and the
// file taken again changes nothing.
func FuzzFiles(f *testing.F) {
	f.Add(`[{"name":"a","trafficTypeName":"user"}]`, `{"ff":{"d":[]},"rbs":{"d":[{"name":"s"}]}}`, int64(-1))
	f.Add(`{"splits":[{"name":"\u0000<"}]}`, "", int64(0))
	f.Add("[{\"name\":\"\xff\"} , {\"name\":\"b\"}]", `[{"name":"b"}]`, int64(5))
	f.Fuzz(func(t *testing.T, one, two string, since int64) {
		var s stream.FlagSet
		for _, file := range []string{one, two} {
			next, err := flags.Next(s, []byte(file), noon)
			if err != nil {
				continue
			}
			if again, err := flags.Next(next, []byte(file), noon); err != nil || again.Version != next.Version {
				t.Fatalf("the same file: version %d after %d, %v", again.Version, next.Version, err)
			}
			s = next
			for _, at := range []int64{since, -1, s.Version} {
				for _, text := range [][]byte{flags.AppendChanges(nil, &s, at, at), flags.AppendSplits(nil, &s, at)} {
					if !json.Valid(text) || !utf8.Valid(text) {
						t.Fatalf("%q", text)
					}
					if at == s.Version && bytes.Contains(text, []byte(`"name"`)) {
						t.Fatalf("nothing has changed, but %q", text)
					}
				}
			}
		}
	})
}
