//go:build integration

package integration

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const seedBucket = "strmprivacy-export-demo"

// TestSeed follows the seeds step by step: the AWS CLI makes the bucket, the
// user, its least-privilege policy and the credentials file; strm delivers;
// the AWS CLI and boto3 see in the bucket what strm says is there.
func TestSeed(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	g.root().aws(t, "s3", "mb", "s3://"+seedBucket)
	key := g.user(t, "strm-export-demo", s.dir, seedPolicy(seedBucket, "events")...)

	out := s.run(t, "create", "sink", "s3", seedBucket, "--credentials-file=s3.json", "--endpoint", g.url, "--path-style")
	noSecret(t, out, key)
	s.run(t, "create", "stream", "demo")
	out = s.run(t, "create", "batch-exporter", "demo", "--sink", "s3", "--path-prefix", "events")
	if !strings.Contains(out, "s3-demo") {
		t.Errorf("the exporter's default name is not s3-demo:\n%s", out)
	}
	noSecret(t, s.run(t, "list", "sinks"), key)
	in := s.intake(t, "demo")
	post(t, in, "seed", 0, 500)
	s.flush(t, "s3-demo")
	post(t, in, "seed", 500, 700)
	s.flush(t, "s3-demo")

	onlyWrites(t, g, key.AccessKeyID, "events/")
	objects := g.bucket(t, seedBucket, "events/")
	exactly(t, objects, "seed", 700)
	s.sameAsLedger(t, "s3-demo", objects)
	if len(objects) != 2 {
		t.Errorf("%d objects after two flushes", len(objects))
	}
	sameAsAwsLs(t, g.root().aws(t, "s3", "ls", "s3://"+seedBucket+"/events/"), objects)
	name := regexp.MustCompile(`^events/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ-demo-[0-9a-f]{8}-\d{6}---0\.jsonl$`)
	for _, o := range objects {
		if !name.MatchString(o.Key) {
			t.Errorf("key %s is not in the manner of the seed", o.Key)
		}
	}
	policyIsEnforced(t, g, key)
	t.Run("verify", func(t *testing.T) { verifySeed(t, g, s, objects) })
	noSecret(t, s.srv.LogTail(1<<20), key)
}

// noSecret fails if a text holds the secret.
func noSecret(t *testing.T, text string, key accessKey) {
	t.Helper()
	if strings.Contains(text, key.SecretAccessKey) {
		t.Errorf("the secret access key is in:\n%s", strings.ReplaceAll(text, key.SecretAccessKey, "<here>"))
	}
}

// onlyWrites checks the gateway's own log: nothing but PutObject on *.jsonl
// below the prefix and GetBucketLocation was granted. HeadBucket may have been
// tried, to read the region from its refusal, and the sink outside of the prefix
// when it was saved, which was refused; nothing else was asked.
func onlyWrites(t *testing.T, g *gateway, key, prefix string) {
	t.Helper()
	puts := 0
	for _, r := range g.requests(t, key) {
		switch {
		case r.Operation == "s3_PutObject" && strings.HasPrefix(r.Object, prefix) && strings.HasSuffix(r.Object, ".jsonl") && r.Status == "200":
			puts++
		case r.Operation == "s3_PutObject" && strings.HasPrefix(r.Object, prefix+".strm_test_") && r.Status == "412": // is there already
		case r.Operation == "s3_PutObject" && strings.HasPrefix(r.Object, ".strm_test_") && r.Status == "403": // the sink's own trial, before it had an exporter
		case r.Operation == "s3_GetBucketLocation", r.Operation == "s3_HeadBucket" && r.Status != "200":
		default:
			t.Errorf("the exporter asked for %s %s and got %s", r.Operation, r.Object, r.Status)
		}
	}
	if puts < 2 {
		t.Errorf("the access log shows %d objects put, so it proves nothing", puts)
	}
}

// sameAsAwsLs compares names and sizes of `aws s3 ls` with boto3's.
func sameAsAwsLs(t *testing.T, out string, objects []entry) {
	t.Helper()
	listed := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) == 4 {
			listed["events/"+f[3]] = f[2]
		}
	}
	for _, o := range objects {
		if listed[o.Key] != itoa(o.Size) {
			t.Errorf("aws s3 ls shows %s with %q bytes, boto3 with %d:\n%s", o.Key, listed[o.Key], o.Size, out)
		}
	}
}

// policyIsEnforced pairs what the policy refuses with the same request
// allowed, so that the refusals mean something.
func policyIsEnforced(t *testing.T, g *gateway, key accessKey) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "body"), "{}\n")
	user, root := g.as(key).in(dir), g.root().in(dir)
	put := func(key string) []string {
		return []string{"s3api", "put-object", "--bucket", seedBucket, "--key", key, "--body", "body"}
	}
	user.aws(t, put("events/pair.jsonl")...)
	for _, other := range []string{"events/pair.jsonl.gz", "pair.jsonl", "other/pair.jsonl"} {
		user.refused(t, "AccessDenied", put(other)...)
		root.aws(t, put(other)...)
	}
	get := []string{"s3api", "get-object", "--bucket", seedBucket, "--key", "events/pair.jsonl", "read"}
	user.refused(t, "AccessDenied", get...)
	root.aws(t, get...)
	list := []string{"s3api", "list-objects-v2", "--bucket", seedBucket}
	user.refused(t, "AccessDenied", list...)
	root.aws(t, list...)
	del := []string{"s3api", "delete-object", "--bucket", seedBucket, "--key", "events/pair.jsonl"}
	user.refused(t, "AccessDenied", del...)
	root.aws(t, del...)
}

// verifySeed verifies with the writer's credentials, which may not read, then
// with a reader's, then after somebody has changed an object.
func verifySeed(t *testing.T, g *gateway, s *strm, objects []entry) {
	s.run(t, "verify", "batch-exporter", "s3-demo")
	v := s.verify(t, "s3-demo")
	if !v.OK || v.Read != 0 || v.NotRead == "" || v.Objects != int64(len(objects)) || v.Events != 700 {
		t.Errorf("verify without the right to read: %+v", v)
	}
	g.user(t, "strm-audit", t.TempDir(), allow("unused", "s3:GetBucketLocation"))
	dir := t.TempDir()
	g.policy(t, "strm-audit", append(seedPolicy(seedBucket, "events"), allow(seedBucket+"/*", "s3:GetObject"))...)
	g.key(t, "strm-audit", dir, "audit.json")
	s.run(t, "create", "sink", "s3", seedBucket, "--credentials-file", filepath.Join(dir, "audit.json"), "--endpoint", g.url, "--path-style")
	s.run(t, "verify", "batch-exporter", "s3-demo")
	if v := s.verify(t, "s3-demo"); !v.OK || v.Read != int64(len(objects)) || v.NotRead != "" {
		t.Errorf("verify with the right to read: %+v", v)
	}

	// The same length, one byte changed: only reading finds that.
	tampered := strings.Join(objects[0].Lines, "\n") + "\n"
	tampered = strings.Replace(tampered, "seed-1", "seed-2", 1)
	write(t, filepath.Join(dir, "tampered"), tampered)
	g.root().in(dir).aws(t, "s3api", "put-object", "--bucket", seedBucket, "--key", objects[0].Key, "--body", "tampered")
	if out, err := s.cli.Run(t.Context(), "verify", "batch-exporter", "s3-demo"); err == nil || !strings.Contains(err.Error(), objects[0].Key) || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("verify of a changed object: %v\n%s", err, out)
	}
	g.root().aws(t, "s3api", "delete-object", "--bucket", seedBucket, "--key", objects[0].Key)
	if out, err := s.cli.Run(t.Context(), "verify", "batch-exporter", "s3-demo"); err == nil || !strings.Contains(err.Error(), objects[0].Key) {
		t.Errorf("verify of a deleted object: %v\n%s", err, out)
	}
}

// TestCredentialsFileWithComment takes the seed's s3.json as printed there,
// with its // comment.
func TestCredentialsFileWithComment(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	g.root().aws(t, "s3", "mb", "s3://commented")
	key := g.user(t, "commented", s.dir, seedPolicy("commented", "events")...)
	write(t, filepath.Join(s.dir, "commented.json"), `{
    "AccessKey": {
        "UserName": "`+key.UserName+`",
        "AccessKeyId": "`+key.AccessKeyID+`",
        "Status": "Active",
        "SecretAccessKey": "`+key.SecretAccessKey+`",
        "CreateDate": "2021-04-08T08:19:33+00:00" // The actual date might differ
    }
}
`)
	s.run(t, "create", "sink", "s3", "commented", "--credentials-file=commented.json", "--endpoint", g.url, "--path-style")
	s.run(t, "create", "stream", "demo")
	s.run(t, "create", "batch-exporter", "demo", "--sink", "s3", "--path-prefix", "events")
	post(t, s.intake(t, "demo"), "c", 0, 10)
	s.flush(t, "s3-demo")
	exactly(t, g.bucket(t, "commented", "events/"), "c", 10)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
