//go:build integration

package integration

import (
	"strings"
	"testing"
)

// TestAccessOnVersitygw: what strm policy prints, pasted into an independent
// server, is enough, and one thing less is not.
func TestAccessOnVersitygw(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	arn := func(user string) string { return "arn:aws:iam::000000000000:user/" + user }
	// user makes a bucket, and a user of the same name without any permission.
	user := func(t *testing.T, name string) accessKey {
		t.Helper()
		g.root().ask(t, to("s3", "create_bucket", "Bucket", name))
		g.admin().ask(t, to("iam", "create_user", "UserName", name))
		return g.key(t, name, t.TempDir(), "s3.json")
	}
	iam := func(t *testing.T, user, policy string) {
		t.Helper()
		g.admin().ask(t, to("iam", "put_user_policy", "UserName", user, "PolicyName", "p", "PolicyDocument", policy))
	}
	bucket := func(t *testing.T, name, policy string) {
		t.Helper()
		g.root().ask(t, to("s3", "put_bucket_policy", "Bucket", name, "Policy", policy))
	}
	enough := func(t *testing.T, d *delivery, key accessKey, prefix string) {
		t.Helper()
		objects := d.once(t, g.root(), d.name)
		for _, o := range objects {
			if !strings.HasPrefix(o.Key, prefix+"p/") {
				t.Errorf("%s is not below %sp/", o.Key, prefix)
			}
		}
		others := nothingElse(d.name, objects[0].Key)
		g.as(key).ask(t, refusedAll(others, "AccessDenied")...)
		g.root().ask(t, others...)
	}
	for kind, paste := range map[string]func(t *testing.T, name, policy string){"iam": iam, "bucket": bucket} {
		// The names of what can be taken away are those of a policy with one statement.
		for _, less := range []string{"elsewhere-0", "other-action-0"} {
			name := kind + "-policy-" + less
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				key := user(t, name)
				d := s.deliver(t, name, place{endpoint: g.url, bucket: name, sink: []string{"--credentials-file", keyFile(t, key)}})
				d.refused(t, "s3:PutObject")
				policy := s.policy(t, name, kind, "--principal", arn(name))
				paste(t, name, policy.text)
				d.retried(t)
				variants := policy.less(t)
				if len(variants) != 2 || variants[less] == "" {
					t.Fatalf("what can be taken away is not what this test knows: %v", variants)
				}
				paste(t, name, variants[less])
				d.blocked(t, "AccessDenied", "s3:PutObject")
				paste(t, name, policy.text)
				d.goesOn(t)
				enough(t, d, key, "")
			})
		}
	}
	t.Run("imports", func(t *testing.T) {
		t.Parallel()
		const name = "imports-policy"
		key := user(t, name)
		importsUnderPolicy(t, startStrm(t), name, g.url, key, g.root(), arn(name), func(policy string) { bucket(t, name, policy) })
	})
	// The server's own identity, let in by the bucket alone, below a prefix.
	t.Run("ambient-bucket-policy", func(t *testing.T) {
		t.Parallel()
		const name = "ambient-bucket-policy"
		key := user(t, name)
		d := startAmbient(t, key).deliver(t, name, place{endpoint: g.url, bucket: name + "/path/prefix"})
		d.refused(t, "s3:PutObject")
		bucket(t, name, d.s.policy(t, name, "bucket", "--principal", arn(name)).text)
		d.goesOn(t)
		enough(t, d, key, "path/prefix/")
		noSecret(t, d.s.srv.LogTail(1<<20), key)
	})
}
