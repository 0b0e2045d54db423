//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strm/test/harness"
)

const (
	rootKey    = "AKIAROOTROOTROOTROOT"
	rootSecret = "rootsecretrootsecret"
	region     = "eu-west-1" // not the one that clients assume
)

// gateway is a running versitygw with its IAM server.
type gateway struct {
	url, iam string
	log      string // access log
}

// startGateway starts both processes; they end with the test.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"s3", "iam"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// A socket's path must stay below about 100 bytes.
	short, err := os.MkdirTemp("", "vgw") //nolint:usetesting // t.TempDir has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(short); err != nil {
			t.Error(err)
		}
	})
	s3Addr, iamAddr, sock := freeAddr(t), freeAddr(t), filepath.Join(short, "iam.sock")
	g := &gateway{url: "http://" + s3Addr, iam: "http://" + iamAddr, log: filepath.Join(dir, "access.log")}
	root := []string{"-q", "-a", rootKey, "-s", rootSecret}
	startTool(t, filepath.Join(dir, "iam.out"), iamAddr, append(root, "-p", iamAddr, "--region", "us-east-1",
		"iam", "--dir", filepath.Join(dir, "iam"), "--private-ports", sock)...)
	startTool(t, filepath.Join(dir, "s3.out"), s3Addr, append(root, "-p", s3Addr, "--region", region, "--access-log", g.log,
		"--iam-standalone-endpoint", sock, "--iam-cache-disable", "posix", filepath.Join(dir, "s3"))...)
	return g
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := harness.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// startTool starts versitygw and waits until it listens.
func startTool(t *testing.T, output, addr string, args ...string) {
	t.Helper()
	log, err := os.Create(output)
	if err != nil {
		t.Fatal(err)
	}
	p, err := harness.StartProcess("versitygw", harness.Env(), log, filepath.Join(tools, "bin", "versitygw"), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	err = harness.Poll(t.Context(), 30*time.Second, 10*time.Millisecond, "versitygw", func(ctx context.Context) (bool, string, error) {
		if st := p.State(); st != nil {
			out, err := os.ReadFile(output)
			t.Fatalf("versitygw ended: %v\n%s (%v)", st, out, err)
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // not listening yet: the poll goes on
		}
		return true, "", conn.Close()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// client is a pair of keys and where to use them.
type client struct {
	endpoint, region, key, secret string
	dir                           string // working directory
}

func (g *gateway) root() client { return client{g.url, region, rootKey, rootSecret, ""} }

// admin is root at the IAM server.
func (g *gateway) admin() client { return client{g.iam, "us-east-1", rootKey, rootSecret, ""} }

func (g *gateway) as(k accessKey) client {
	return client{g.url, region, k.AccessKeyID, k.SecretAccessKey, ""}
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

// accessKey is what `aws iam create-access-key` prints.
type accessKey struct {
	UserName, Status, SecretAccessKey, CreateDate string
	AccessKeyID                                   string `json:"AccessKeyId"`
}

// key makes an access key as the seed says, into the file name in dir.
func (g *gateway) key(t *testing.T, user, dir, name string) accessKey {
	t.Helper()
	out := g.admin().aws(t, "iam", "create-access-key", "--user-name", user)
	write(t, filepath.Join(dir, name), out)
	var doc struct{ AccessKey accessKey }
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("create-access-key: %v\n%s", err, out)
	}
	return doc.AccessKey
}

// statement is one of a policy's.
type statement struct {
	Effect   string
	Action   []string
	Resource string
}

func allow(resource string, actions ...string) statement {
	return statement{"Allow", actions, "arn:aws:s3:::" + resource}
}

// seedPolicy is the policy of the seed, word for word, with the bucket and the
// prefix filled in.
func seedPolicy(bucket, prefix string) []statement {
	return []statement{allow(bucket, "s3:GetBucketLocation"), allow(bucket+"/"+prefix+"/*.jsonl", "s3:PutObject")}
}

// policy gives a user this policy and no other.
func (g *gateway) policy(t *testing.T, user string, statements ...statement) {
	t.Helper()
	doc, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": statements}, "", "    ")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "strm-policy.json"), string(doc))
	g.admin().in(dir).aws(t, "iam", "put-user-policy", "--user-name", user, "--policy-name", "strm-bucket-write-access",
		"--policy-document", "file://strm-policy.json")
}

// user makes a user with a policy and a key in dir/s3.json.
func (g *gateway) user(t *testing.T, name, dir string, statements ...statement) accessKey {
	t.Helper()
	g.admin().aws(t, "iam", "create-user", "--user-name", name)
	g.policy(t, name, statements...)
	return g.key(t, name, dir, "s3.json")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// entry is an object as bucket.py shows it.
type entry struct {
	Key   string
	Size  int64
	Read  int64
	CRC32 string `json:"crc32"`
	Lines []string

	Type, Encoding string // Content-Type and Content-Encoding
}

// bucket lists the objects below a prefix, validation objects left out; those
// must be empty.
func (g *gateway) bucket(t *testing.T, bucket, prefix string) []entry {
	t.Helper()
	var all, out []entry
	g.root().python(t, &all, "bucket.py", bucket, prefix)
	for _, e := range all {
		if !strings.HasPrefix(filepath.Base(e.Key), ".strm_test_") {
			out = append(out, e)
		} else if len(e.Lines) != 0 {
			t.Errorf("validation object %s has %d lines", e.Key, len(e.Lines))
		}
	}
	return out
}

// accessed is a line of the gateway's access log.
type accessed struct{ Key, Operation, Object, Status string }

// requests returns what was asked of the gateway with an access key.
func (g *gateway) requests(t *testing.T, key string) []accessed {
	t.Helper()
	b, err := os.ReadFile(g.log)
	if err != nil {
		t.Fatal(err)
	}
	var out []accessed
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 10 && f[5] == key {
			out = append(out, accessed{f[5], f[7], f[8], f[10]})
		}
	}
	return out
}
