//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strm/test/harness"
)

// client is a pair of keys and where to use them.
type client struct {
	endpoint, region, key, secret string
	token                         string // of temporary credentials
	dir                           string // working directory
}

func (c client) in(dir string) client {
	c.dir = dir
	return c
}

func (c client) command(ctx context.Context, bin string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(tools, "venv", "bin", bin), args...)
	cmd.Dir = c.dir
	cmd.Env = harness.Env("AWS_ENDPOINT_URL="+c.endpoint, "AWS_DEFAULT_REGION="+c.region, "AWS_ACCESS_KEY_ID="+c.key,
		"AWS_SECRET_ACCESS_KEY="+c.secret, "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_PAGER=")
	if c.token != "" {
		cmd.Env = append(cmd.Env, "AWS_SESSION_TOKEN="+c.token)
	}
	return cmd
}

// aws runs the AWS CLI, which must succeed.
func (c client) aws(t *testing.T, args ...string) string {
	t.Helper()
	return c.run(t, "aws", args...)
}

// refused runs the AWS CLI, which must fail with the given code.
func (c client) refused(t *testing.T, code string, args ...string) {
	t.Helper()
	out, err := c.command(t.Context(), "aws", args...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), code) {
		t.Fatalf("aws %s: want %s, got %v\n%s", strings.Join(args, " "), code, err, out)
	}
}

// python runs one of this package's programs.
func (c client) python(t *testing.T, v any, program string, args ...string) {
	t.Helper()
	out := c.run(t, "python", append([]string{filepath.Join(sources, program)}, args...)...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

func (c client) run(t *testing.T, bin string, args ...string) string {
	t.Helper()
	cmd := c.command(t.Context(), bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", bin, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// asked is a call to make and the code of the refusal to get, "" for none.
type asked struct {
	service, operation string
	parameters         map[string]any
	want               string
}

// to is a call that must be allowed; its parameters come in pairs.
func to(service, operation string, pairs ...any) asked {
	p := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		p[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return asked{service, operation, p, ""}
}

// but makes it one that must be refused.
func (a asked) but(code string) asked {
	a.want = code
	return a
}

// put is a PutObject of a few bytes.
func put(bucket, key string, more ...any) asked {
	return to("s3", "put_object", append([]any{"Bucket", bucket, "Key", key, "Body", "{}\n"}, more...)...)
}

// assume is an AssumeRole.
func assume(role string, more ...any) asked {
	return to("sts", "assume_role", append([]any{"RoleArn", role, "RoleSessionName", "test"}, more...)...)
}

// ask makes calls and checks what comes of each.
func (c client) ask(t *testing.T, calls ...asked) {
	t.Helper()
	var list [][]any
	for _, a := range calls {
		list = append(list, []any{a.service, a.operation, a.parameters})
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	c.python(t, &codes, "ask.py", string(text))
	for i, a := range calls {
		if codes[i] != a.want {
			t.Fatalf("%s %v: answered %q, want %q", a.operation, a.parameters, codes[i], a.want)
		}
	}
}

// entry is an object as bucket.py shows it.
type entry struct {
	Key   string
	Size  int64
	Read  int64
	CRC32 string `json:"crc32"`
	SSE   string `json:"sse"` // how it is encrypted, and with which key
	KMS   string `json:"kms"`
	Lines []string

	Type, Encoding string // Content-Type and Content-Encoding
}

// bucket lists the objects below a prefix, validation objects left out; those
// must be empty.
func (c client) bucket(t *testing.T, bucket, prefix string) []entry {
	t.Helper()
	var all, out []entry
	c.python(t, &all, "bucket.py", bucket, prefix)
	for _, e := range all {
		if !strings.HasPrefix(filepath.Base(e.Key), ".strm_test_") {
			out = append(out, e)
		} else if len(e.Lines) != 0 {
			t.Errorf("validation object %s has %d lines", e.Key, len(e.Lines))
		}
	}
	return out
}
