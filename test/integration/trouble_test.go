//go:build integration

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is one bucket with a user, a sink, a stream and an exporter, all of
// the same name.
type site struct {
	g    *gateway
	s    *strm
	name string
	dir  string
	key  accessKey
}

// sink creates the sink (again) from a credentials file in the site's directory.
func (x *site) sink(t *testing.T, file string) {
	t.Helper()
	x.s.run(t, "create", "sink", x.name, x.name, "--credentials-file", filepath.Join(x.dir, file), "--endpoint", x.g.url, "--path-style")
}

// credentials writes a credentials file that differs from s3.json.
func (x *site) credentials(t *testing.T, file, old, new string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(x.dir, "s3.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), old, new, 1)
	if text == string(b) {
		t.Fatalf("s3.json does not hold what is to be replaced")
	}
	write(t, filepath.Join(x.dir, file), text)
}

const (
	// atOnce is for what strm is told of itself, such as new credentials.
	atOnce = 30 * time.Second
	// slowly is for what it has to find out: blocked exporters are tried again
	// every few minutes.
	slowly = 7 * time.Minute
)

// troubles are the ways in which a sink can stop working for a reason that a
// person has to mend: what breaks it, what the state must tell, what mends it.
var troubles = []struct {
	name   string
	breaks func(t *testing.T, x *site)
	words  []string
	mends  func(t *testing.T, x *site)
	within time.Duration
}{
	{
		name: "wrong-secret",
		breaks: func(t *testing.T, x *site) {
			x.credentials(t, "wrong.json", x.key.SecretAccessKey, strings.Repeat("0", len(x.key.SecretAccessKey)))
			x.sink(t, "wrong.json")
		},
		words:  []string{"SignatureDoesNotMatch"},
		mends:  func(t *testing.T, x *site) { x.sink(t, "s3.json") },
		within: atOnce,
	},
	{
		name: "unknown-key",
		breaks: func(t *testing.T, x *site) {
			x.credentials(t, "unknown.json", x.key.AccessKeyID, "AKIANOBODYNOBODYNOBODY"[:len(x.key.AccessKeyID)])
			x.sink(t, "unknown.json")
		},
		words:  []string{"InvalidAccessKeyId"},
		mends:  func(t *testing.T, x *site) { x.sink(t, "s3.json") },
		within: atOnce,
	},
	{
		name: "missing-bucket",
		breaks: func(t *testing.T, x *site) {
			x.g.root().aws(t, "s3", "rb", "--force", "s3://"+x.name)
		},
		words:  []string{"NoSuchBucket"},
		mends:  func(t *testing.T, x *site) { x.g.root().aws(t, "s3", "mb", "s3://"+x.name) },
		within: slowly,
	},
	{
		name: "denied-prefix",
		breaks: func(t *testing.T, x *site) {
			x.g.policy(t, x.name, seedPolicy(x.name, "elsewhere")...)
		},
		words:  []string{"AccessDenied", "s3:PutObject"},
		mends:  func(t *testing.T, x *site) { x.g.policy(t, x.name, seedPolicy(x.name, "p")...) },
		within: slowly,
	},
	{
		name: "revoked-key",
		breaks: func(t *testing.T, x *site) {
			x.g.admin().aws(t, "iam", "update-access-key", "--user-name", x.name, "--access-key-id", x.key.AccessKeyID, "--status", "Inactive")
		},
		words: []string{"InvalidAccessKeyId"},
		mends: func(t *testing.T, x *site) {
			x.g.key(t, x.name, x.dir, "new.json")
			x.sink(t, "new.json")
		},
		within: atOnce,
	},
	{
		name: "removed-policy",
		breaks: func(t *testing.T, x *site) {
			x.g.admin().aws(t, "iam", "delete-user-policy", "--user-name", x.name, "--policy-name", "strm-bucket-write-access")
		},
		words:  []string{"AccessDenied", "s3:PutObject"},
		mends:  func(t *testing.T, x *site) { x.g.policy(t, x.name, seedPolicy(x.name, "p")...) },
		within: slowly,
	},
}

// TestTroubles breaks sinks in every way there is while events arrive. Each
// gives a state of its own, each recovers by itself once mended, and nothing is
// lost or doubled.
func TestTroubles(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	for _, tc := range troubles {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			x := &site{g: g, s: s, name: tc.name, dir: t.TempDir()}
			g.root().aws(t, "s3", "mb", "s3://"+x.name)
			x.key = g.user(t, x.name, x.dir, seedPolicy(x.name, "p")...)
			x.sink(t, "s3.json")
			s.run(t, "create", "stream", x.name)
			s.run(t, "create", "batch-exporter", x.name, "--sink", x.name, "--name", x.name, "--path-prefix", "p", "--interval", "1s")
			in := s.intake(t, x.name)
			sent := 0
			if tc.name != "missing-bucket" { // whose objects would go with it
				post(t, in, x.name, 0, 10)
				sent = 10
				s.flush(t, x.name)
			}
			s.state(t, x.name, "running", atOnce)

			tc.breaks(t, x)
			post(t, in, x.name, sent, sent+10)
			st := s.state(t, x.name, "blocked", atOnce, tc.words...)
			if st.NextRetryAt == nil || st.Since == nil || st.WaitingEvents != 10 {
				t.Errorf("the state does not tell since when, the next try or what waits: %+v", st)
			}
			t.Logf("blocked: %s", st.Reason)
			if strings.Contains(st.Reason, x.key.SecretAccessKey) {
				t.Error("the reason holds the secret")
			}
			post(t, in, x.name, sent+10, sent+20) // a blocked exporter does not stop intake

			tc.mends(t, x)
			began := time.Now()
			s.state(t, x.name, "running", tc.within)
			t.Logf("recovered %v after it was mended", time.Since(began).Round(time.Second))
			s.flush(t, x.name)
			objects := g.bucket(t, x.name, "p/")
			exactly(t, objects, x.name, sent+20)
			s.sameAsLedger(t, x.name, objects)
			s.run(t, "verify", "batch-exporter", x.name)
		})
	}
}

// TestCreationSaysWhatIsMissing creates exporters that cannot work: the answer
// to the creation itself names the trouble.
func TestCreationSaysWhatIsMissing(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	g.root().aws(t, "s3", "mb", "s3://there")
	key := g.user(t, "there", s.dir, append(seedPolicy("there", "p"), seedPolicy("missing", "p")...)...)
	s.run(t, "create", "stream", "demo")
	for name, tc := range map[string]struct{ bucket, prefix, word string }{
		"denied": {"there", "elsewhere", "s3:PutObject"},
		"bucket": {"missing", "p", "NoSuchBucket"},
	} {
		t.Run(name, func(t *testing.T) {
			s.run(t, "create", "sink", name, tc.bucket, "--credentials-file", "s3.json", "--endpoint", g.url, "--path-style")
			cmd := s.cli.Command(t.Context(), "create", "batch-exporter", "demo", "--sink", name, "--name", name, "--path-prefix", tc.prefix)
			out, err := cmd.CombinedOutput()
			if !strings.Contains(string(out), tc.word) {
				t.Errorf("the answer (%v) does not mention %s:\n%s", err, tc.word, out)
			}
			noSecret(t, string(out), key)
		})
	}
}
