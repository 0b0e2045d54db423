//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestJudges shows that the programs that judge strm notice what they are to
// notice: without strm, on files put into a bucket by the AWS CLI.
func TestJudges(t *testing.T) {
	g, dir := startGateway(t), t.TempDir()
	write(t, filepath.Join(dir, "data.json"), `[{"a":0.10,"b":1},{"a":0.10,"b":1},{"a":2,"b":null}]`)
	g.root().in(dir).run(t, "python", filepath.Join(sources, "rows.py"), "data.json", "data.ndjson")
	rows, err := os.ReadFile(filepath.Join(dir, "data.ndjson"))
	if err != nil || string(rows) != `{"a":0.10,"b":1}`+"\n"+`{"a":0.10,"b":1}`+"\n"+`{"a":2,"b":null}`+"\n" {
		t.Fatalf("rows.py made %q, %v", rows, err)
	}
	g.root().aws(t, "s3", "mb", "s3://judges")
	for name, tc := range map[string]struct {
		text           string
		missing, extra int
	}{
		"same":    {string(rows), 0, 0},
		"order":   {`{"b":1,"a":0.10}` + "\n" + `{"a":2,"b":null}` + "\n" + `{"a":0.10,"b":1}` + "\n", 0, 0},
		"lost":    {`{"a":0.10,"b":1}` + "\n" + `{"a":2,"b":null}` + "\n", 1, 0},
		"doubled": {string(rows) + `{"a":2,"b":null}` + "\n", 0, 1},
		"number":  {`{"a":0.1,"b":1}` + "\n" + `{"a":0.10,"b":1}` + "\n" + `{"a":2,"b":null}` + "\n", 1, 1},
	} {
		write(t, filepath.Join(dir, name), tc.text)
		g.root().in(dir).aws(t, "s3", "cp", name, "s3://judges/"+name+"/x.jsonl")
		var got struct{ Rows, Missing, Extra int }
		g.root().in(dir).python(t, &got, "compare.py", "data.json", "judges", name+"/", "bare")
		if got.Rows != 3 || got.Missing != tc.missing || got.Extra != tc.extra {
			t.Errorf("%s: %+v, want %d missing and %d extra", name, got, tc.missing, tc.extra)
		}
	}
	objects := g.bucket(t, "judges", "same/")
	if len(objects) != 1 || objects[0].Key != "same/x.jsonl" || objects[0].Size != int64(len(rows)) || len(objects[0].Lines) != 3 {
		b, err := json.Marshal(objects)
		t.Errorf("bucket.py shows %s, %v", b, err)
	}
}

// TestGatewayJudges shows that the gateway tells the troubles apart that
// TestTroubles relies on, with the AWS CLI as the client.
func TestGatewayJudges(t *testing.T) {
	g, dir := startGateway(t), t.TempDir()
	g.root().aws(t, "s3", "mb", "s3://judged")
	key := g.user(t, "judged", dir, seedPolicy("judged", "p")...)
	write(t, filepath.Join(dir, "body"), "{}\n")
	put := []string{"s3api", "put-object", "--bucket", "judged", "--key", "p/a.jsonl", "--body", "body"}
	good := g.as(key).in(dir)
	good.aws(t, put...)

	other := good
	other.secret = "0" + key.SecretAccessKey[1:]
	other.refused(t, "SignatureDoesNotMatch", put...)
	other = good
	other.key = "AKIANOBODYNOBODYNOBOD"
	other.refused(t, "InvalidAccessKeyId", put...)
	good.refused(t, "NoSuchBucket", "s3api", "put-object", "--bucket", "not-there", "--key", "p/a.jsonl", "--body", "body")
	g.policy(t, "judged", seedPolicy("judged", "elsewhere")...)
	good.refused(t, "AccessDenied", put...)
	g.policy(t, "judged", seedPolicy("judged", "p")...)
	good.aws(t, put...)
	g.admin().aws(t, "iam", "update-access-key", "--user-name", "judged", "--access-key-id", key.AccessKeyID, "--status", "Inactive")
	good.refused(t, "InvalidAccessKeyId", put...)
	if n := len(g.requests(t, key.AccessKeyID)); n < 4 {
		t.Errorf("the access log shows %d requests of this key", n)
	}
}

// TestSegmentJudges shows that what judges Segment's clients notices a call that
// is lost, doubled, strange or without an outcome, and lets one pass that was
// given up though it arrived.
func TestSegmentJudges(t *testing.T) {
	call := func(id, outcome string) told {
		return told{MessageID: id, Outcome: outcome, Reason: map[string]string{"failed": "503"}[outcome]}
	}
	lines := func(ids ...string) (out []rawLine) {
		for _, id := range ids {
			out = append(out, rawLine{MessageID: id})
		}
		return out
	}
	events := []told{call("a", "delivered"), call("b", "delivered"), call("c", "failed")}
	for name, tc := range map[string]struct {
		events []told
		lines  []rawLine
		wrong  string
	}{
		"good":             {events, lines("b", "a"), ""},
		"gave up too soon": {events, lines("a", "b", "c"), ""},
		"lost":             {events, lines("a"), "b) was delivered, and is in the bucket 0 times"},
		"doubled":          {events, lines("a", "b", "b"), "b) was delivered, and is in the bucket 2 times"},
		"given up twice":   {events, lines("a", "b", "c", "c"), "c) was given up, and is in the bucket 2 times"},
		"strange":          {events, lines("a", "b", "x"), `not of this client: ["x"]`},
		"no outcome":       {append([]told{call("d", "unknown")}, events...), lines("a", "b"), "does not know what became of call 0 ( d)"},
	} {
		_, _, wrong := account(tc.events, tc.lines)
		if tc.wrong == "" && len(wrong) > 0 || tc.wrong != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], tc.wrong)) {
			t.Errorf("%s: %q, want %q", name, wrong, tc.wrong)
		}
	}
}
