//go:build integration

package integration

import "testing"

// logs is a layout whose keys begin as Segment's do; radosgw does not match
// "*.jsonl" with names that have a second dot, as validation objects do.
const logs = "segment-logs/{stream}/{time}-{batch}.{ext}"

// TestCeph shares one radosgw between all that it proves: policies with
// principals and conditions, and assumed roles.
func TestCeph(t *testing.T) {
	c := startCeph(t)
	owner := c.user(t, "owner", "--caps", "user-policy=*;roles=*")
	x := &cephWorld{c: c, s: startStrm(t), owner: owner, admin: c.as(owner), seed: c.user(t, seedUser),
		reader: c.as(c.user(t, "reader", "--admin"))}
	// Those that wait for strm to try again by itself come first.
	for _, tc := range []struct {
		name string
		test func(*testing.T, *cephWorld)
	}{
		{"role-deleted-in-the-middle", cephRoleDeleted},
		{"printed-role-policies", cephRole},
		{"printed-bucket-policy", func(t *testing.T, x *cephWorld) { cephBucketPolicy(t, x, "bucket-policy", "elsewhere-0") }},
		{"printed-bucket-policy-action", func(t *testing.T, x *cephWorld) { cephBucketPolicy(t, x, "bucket-policy-action", "other-action-0") }},
		{"printed-importer-policy", cephImports},
		{"role-of-another-principal", cephOthersRole},
		{"role-that-does-not-exist", cephNoRole},
		{"seed-denies-unencrypted", cephDeniesUnencrypted},
		{"printed-enforcing-policy", cephEnforcing},
		{"kms-key", cephKMS},
		{"judges", func(t *testing.T, x *cephWorld) { cephJudges(t, x.c, x.owner, x.seed) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.test(t, x)
		})
	}
}

type cephWorld struct {
	c           *ceph
	s           *strm
	owner, seed accessKey
	admin       client // the owner's
	reader      client // sees objects, which in radosgw belong to their writer
}

// bucket makes a bucket.
func (x *cephWorld) bucket(t *testing.T, name string) {
	t.Helper()
	x.admin.ask(t, to("s3", "create_bucket", "Bucket", name))
}

func (x *cephWorld) policy(t *testing.T, bucket, policy string) {
	t.Helper()
	x.admin.ask(t, to("s3", "put_bucket_policy", "Bucket", bucket, "Policy", policy))
}

// deliver sets up a delivery of events into the bucket of the same name with
// somebody's keys.
func (x *cephWorld) deliver(t *testing.T, name string, key accessKey, sink ...string) *delivery {
	t.Helper()
	return x.s.deliver(t, name, place{endpoint: x.c.url, bucket: name, exporter: []string{"--layout", logs},
		sink: append([]string{"--credentials-file", keyFile(t, key)}, sink...)})
}

func cephBucketPolicy(t *testing.T, x *cephWorld, name, less string) {
	x.bucket(t, name)
	key := x.c.user(t, name)
	d := x.deliver(t, name, key)
	d.refused(t, "s3:PutObject")
	policy := x.s.policy(t, name, "bucket", "--principal", x.c.userARN(name))
	x.policy(t, name, policy.text)
	d.retried(t)
	x.policy(t, name, policy.less(t)[less])
	d.blocked(t, "s3:PutObject")
	x.policy(t, name, policy.text)
	d.goesOn(t)
	d.once(t, x.reader, name)
	// Others stay outside, and its principal outside of other places.
	x.c.as(key).ask(t, put(name, "p/segment-logs/a"), put(name, "a").but("AccessDenied"))
	x.c.as(x.seed).ask(t, put(name, "p/segment-logs/a").but("AccessDenied"))
	x.admin.ask(t, put(name, "a"))
}

func cephImports(t *testing.T, x *cephWorld) {
	const name = "imports-policy"
	x.bucket(t, name)
	key := x.c.user(t, name)
	importsUnderPolicy(t, startStrm(t), name, x.c.url, key, x.admin, x.c.userARN(name), func(policy string) { x.policy(t, name, policy) })
}

func cephEnforcing(t *testing.T, x *cephWorld) {
	const name = "enforcing"
	x.bucket(t, name)
	key := x.c.user(t, name)
	d := x.deliver(t, name, key, "--encryption", "SSE-S3")
	d.refused(t, "s3:PutObject")
	x.policy(t, name, x.s.policy(t, name, "bucket", "--principal", x.c.userARN(name), "--enforce-encryption").text)
	d.retried(t)
	d.once(t, x.reader, name)
	x.c.as(key).ask(t, put(name, "p/segment-logs/a", sse, "AES256"), put(name, "p/segment-logs/a").but("AccessDenied"))
}

// cephDeniesUnencrypted takes the seed's policy as it is printed there, and the
// server's own identity, as the seed has it.
func cephDeniesUnencrypted(t *testing.T, x *cephWorld) {
	const name = "your-bucket"
	x.bucket(t, name)
	x.policy(t, name, enforcing(name))
	s := startAmbient(t, x.seed)
	d := s.deliver(t, name, place{endpoint: x.c.url, bucket: name, segment: true})
	d.delivers(t) // by the layout's own default
	s.run(t, "update", "sink", name, "--encryption", "none")
	d.blocked(t, "encryption", "AES256", "policy")
	s.run(t, "update", "sink", name, "--encryption", "SSE-S3")
	s.state(t, name, "running", atOnce)
	d.delivers(t)
	d.once(t, x.reader, name)
}

// cephRole assumes a role under the policies that strm prints for it.
func cephRole(t *testing.T, x *cephWorld) {
	const name = "assumed"
	x.bucket(t, name)
	key := x.c.user(t, name)
	d := x.deliver(t, name, key, "--role-arn", x.c.roleARN(name))
	d.refused(t, x.c.roleARN(name))
	trust := x.s.policy(t, name, "trust", "--principal", x.c.userARN(name))
	policy := x.s.policy(t, name, "iam")
	paste := func(policy string) {
		x.admin.ask(t, to("iam", "put_role_policy", "RoleName", name, "PolicyName", "p", "PolicyDocument", compact(t, policy)))
	}
	x.admin.ask(t, to("iam", "create_role", "RoleName", name, "AssumeRolePolicyDocument", compact(t, trust.text)))
	paste(policy.text)
	d.retried(t)
	paste(policy.less(t)["elsewhere-0"])
	d.blocked(t, "s3:PutObject")
	paste(policy.text)
	d.goesOn(t)
	d.once(t, x.reader, name)
	// The keys themselves may do nothing but assume.
	x.c.as(key).ask(t, put(name, "p/segment-logs/a").but("AccessDenied"))
	x.c.as(key).assumed(t, x.c.roleARN(name)).ask(t, put(name, "p/segment-logs/a"))
	noSecret(t, x.s.srv.LogTail(1<<20), key)
}

func cephOthersRole(t *testing.T, x *cephWorld) {
	const name = "others"
	x.bucket(t, name)
	may := stmt("Allow", nil, "s3:PutObject", "arn:aws:s3:::"+name+"/*", nil)
	x.admin.ask(t, x.c.role(t, "others-role", x.c.userARN("somebody"), may)...)
	d := x.deliver(t, name, x.c.user(t, name), "--role-arn", x.c.roleARN("others-role"))
	d.refused(t, "sts:AssumeRole", "trust policy")
	x.admin.ask(t, to("iam", "update_assume_role_policy", "RoleName", "others-role",
		"PolicyDocument", document(t, stmt("Allow", arns(x.c.userARN(name)), "sts:AssumeRole", "", nil))))
	d.goesOn(t)
	d.once(t, x.reader, name)
}

func cephNoRole(t *testing.T, x *cephWorld) {
	const name = "no-role"
	x.bucket(t, name)
	d := x.deliver(t, name, x.c.user(t, name), "--role-arn", x.c.roleARN(name))
	d.refused(t, x.c.roleARN(name))
	may := stmt("Allow", nil, "s3:PutObject", "arn:aws:s3:::"+name+"/*", nil)
	x.admin.ask(t, x.c.role(t, name, x.c.userARN(name), may)...)
	d.goesOn(t)
	d.once(t, x.reader, name)
}

func cephRoleDeleted(t *testing.T, x *cephWorld) {
	const name = "deleted"
	x.bucket(t, name)
	may := stmt("Allow", nil, "s3:PutObject", "arn:aws:s3:::"+name+"/*", nil)
	role := x.c.role(t, name, x.c.userARN(name), may)
	x.admin.ask(t, role...)
	d := x.deliver(t, name, x.c.user(t, name), "--role-arn", x.c.roleARN(name))
	d.delivers(t)
	x.admin.ask(t, to("iam", "delete_role_policy", "RoleName", name, "PolicyName", "p"), to("iam", "delete_role", "RoleName", name))
	d.blocked(t, x.c.roleARN(name))
	x.admin.ask(t, role...)
	d.goesOn(t)
	d.once(t, x.reader, name)
}

// cephKMS: radosgw encrypts with keys of its key server, knows which there are,
// and shows what it took. (Of AES256 it shows nothing.)
func cephKMS(t *testing.T, x *cephWorld) {
	const name = "kms"
	x.bucket(t, name)
	d := x.deliver(t, name, x.owner, "--encryption", "SSE-KMS", "--kms-key", "no-such-key")
	d.refused(t, "no-such-key")
	d.s.run(t, "update", "sink", name, "--kms-key", kmsKey)
	d.goesOn(t)
	encrypted(t, d.once(t, x.reader, name), "aws:kms", kmsKey)
}

// encrypted checks what a store says of its objects.
func encrypted(t *testing.T, objects []entry, how, key string) {
	t.Helper()
	for _, o := range objects {
		if o.SSE != how || o.KMS != key {
			t.Errorf("%s is encrypted with %q, key %q; want %q, %q", o.Key, o.SSE, o.KMS, how, key)
		}
	}
}
