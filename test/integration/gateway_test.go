//go:build integration

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	s3Addr, iamAddr, sock := freeAddr(t), freeAddr(t), filepath.Join(shortDir(t), "iam.sock")
	g := &gateway{url: "http://" + s3Addr, iam: "http://" + iamAddr, log: filepath.Join(dir, "access.log")}
	root := []string{"-q", "-a", rootKey, "-s", rootSecret}
	bin := filepath.Join(tools, "bin", "versitygw")
	startTool(t, filepath.Join(dir, "iam.out"), harness.Env(), bin, append(root, "-p", iamAddr, "--region", "us-east-1",
		"iam", "--dir", filepath.Join(dir, "iam"), "--private-ports", sock)...).listens(t, iamAddr)
	startTool(t, filepath.Join(dir, "s3.out"), harness.Env(), bin, append(root, "-p", s3Addr, "--region", region, "--access-log", g.log,
		"--iam-standalone-endpoint", sock, "--iam-cache-disable", "posix", filepath.Join(dir, "s3"))...).listens(t, s3Addr)
	return g
}

func (g *gateway) root() client {
	return client{endpoint: g.url, region: region, key: rootKey, secret: rootSecret}
}

// admin is root at the IAM server.
func (g *gateway) admin() client {
	return client{endpoint: g.iam, region: "us-east-1", key: rootKey, secret: rootSecret}
}

func (g *gateway) as(k accessKey) client {
	return client{endpoint: g.url, region: region, key: k.AccessKeyID, secret: k.SecretAccessKey}
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

// bucket lists the objects of one of the gateway's buckets.
func (g *gateway) bucket(t *testing.T, bucket, prefix string) []entry {
	t.Helper()
	return g.root().bucket(t, bucket, prefix)
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
