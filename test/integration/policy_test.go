//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// printed is a policy as strm prints it, ready to paste.
type printed struct {
	text string
	doc  struct {
		Version   string
		Statement []map[string]any
	}
}

// policy asks strm for the policy that a sink or exporter needs.
func (s *strm) policy(t *testing.T, name, kind string, more ...string) printed {
	t.Helper()
	p := printed{text: s.run(t, append([]string{"policy", name, "--kind", kind}, more...)...)}
	if err := json.Unmarshal([]byte(p.text), &p.doc); err != nil || len(p.doc.Statement) == 0 {
		t.Fatalf("strm policy %s --kind %s is no policy: %v\n%s", name, kind, err, p.text)
	}
	return p
}

// less returns versions of a policy that allow one thing less each: a
// statement without its resources or with others, and with another action.
func (p printed) less(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for i, st := range p.doc.Statement {
		if st["Effect"] != "Allow" {
			continue
		}
		for name, change := range map[string]map[string]any{
			"elsewhere":    {"Resource": narrowed(t, st["Resource"])},
			"other-action": {"Action": "s3:GetObject"},
		} {
			all := make([]map[string]any, len(p.doc.Statement))
			copy(all, p.doc.Statement)
			all[i] = map[string]any{}
			for k, v := range st {
				all[i][k] = v
			}
			for k, v := range change {
				all[i][k] = v
			}
			b, err := json.Marshal(map[string]any{"Version": p.doc.Version, "Statement": all})
			if err != nil {
				t.Fatal(err)
			}
			out[fmt.Sprintf("%s-%d", name, i)] = string(b)
		}
	}
	if len(out) == 0 {
		t.Fatalf("nothing can be taken from\n%s", p.text)
	}
	return out
}

// narrowed moves resources into a directory that nothing is written to.
func narrowed(t *testing.T, resource any) []string {
	t.Helper()
	list, ok := resource.([]any)
	if text, one := resource.(string); one {
		list, ok = []any{text}, true
	}
	if !ok || len(list) == 0 {
		t.Fatalf("resource %v", resource)
	}
	var out []string
	for _, r := range list {
		bucket, key, found := strings.Cut(fmt.Sprint(r), "/")
		if !found {
			t.Fatalf("resource %v is not of objects", r)
		}
		out = append(out, bucket+"/elsewhere/"+key)
	}
	return out
}

// may are calls with which a principal shows that a policy allows nothing
// beside what it is for; its owner makes the same and is allowed.
func nothingElse(bucket, key string) []asked {
	return []asked{
		put(bucket, "elsewhere.jsonl"),
		to("s3", "get_object", "Bucket", bucket, "Key", key),
		to("s3", "list_objects_v2", "Bucket", bucket),
		to("s3", "delete_object", "Bucket", bucket, "Key", key),
	}
}

func refusedAll(calls []asked, code string) []asked {
	out := make([]asked, len(calls))
	for i, c := range calls {
		out[i] = c.but(code)
	}
	return out
}

// compact takes the spaces out of a policy: radosgw takes none where a role is
// described.
func compact(t *testing.T, policy string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(policy)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
