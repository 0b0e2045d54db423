package harness

import (
	"os"
	"strings"
)

// Env returns the environment without anything that could lead a program
// under test to somebody's own server, account or proxy, plus extra
// ("NAME=value").
func Env(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "STRM_"),
			strings.HasPrefix(name, "GOOGLE_"), strings.HasSuffix(strings.ToLower(name), "_proxy"):
		default:
			env = append(env, kv)
		}
	}
	return append(append(env, "AWS_EC2_METADATA_DISABLED=true"), extra...)
}
