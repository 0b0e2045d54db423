package stream_test

import (
	"strings"
	"testing"

	"strm/internal/problem"
	"strm/internal/stream"
)

func TestStreamPrefixesMakePaths(t *testing.T) {
	for _, good := range []string{"", "prefix_", "prod-", "team/", "a/b/c_", ".", "..", "spécial:", "日本_", strings.Repeat("p", stream.MaxName)} {
		if err := stream.CheckStreamPrefix(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	// The last ones come apart into slashes and dots when they are cleaned.
	for _, bad := range []string{"/", "/a", "a//", "../", "a/../", "./", "a/./b", "\\", "a\x00", "a\nb", "\xff", strings.Repeat("p", stream.MaxName+1), "\u2025/", "\uff0fa", "a/\uff0f"} {
		if err := stream.CheckStreamPrefix(bad); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
