//go:build integration

package integration

import "testing"

// TestMoto shares one moto between all that it proves: external ids, and
// encryption as objects show it.
func TestMoto(t *testing.T) {
	m := startMoto(t)
	motoJudges(t, m)
	s := startStrm(t)
	t.Run("encryption", func(t *testing.T) { motoEncryption(t, m, s) })
	t.Run("external-id", func(t *testing.T) { motoExternalID(t, m, s) })
}

// motoExternalID assumes a role under the policies that strm prints, with the
// wrong external id and with the right one.
func motoExternalID(t *testing.T, m *moto, s *strm) {
	const name = "external"
	key := m.user(t, name)
	file := keyFile(t, key)
	sink := []string{"--credentials-file", file, "--region", "us-east-1", "--role-arn", m.roleARN(name), "--external-id", "right"}
	d := s.deliver(t, name, place{endpoint: m.url, bucket: name, exporter: []string{"--layout", logs}, sink: sink})
	trust := s.policy(t, name, "trust", "--principal", m.userARN(name))
	iam := s.policy(t, name, "iam")
	m.admin().ask(t,
		to("s3", "create_bucket", "Bucket", name),
		to("iam", "put_user_policy", "UserName", name, "PolicyName", "p",
			"PolicyDocument", s.policy(t, name, "assume").text),
		to("iam", "create_role", "RoleName", name, "AssumeRolePolicyDocument", trust.text),
		to("iam", "put_role_policy", "RoleName", name, "PolicyName", "p", "PolicyDocument", iam.text))
	m.enforce(t, true)
	d.retried(t)
	s.run(t, "update", "sink", name, "--external-id", "wrong")
	d.blocked(t, "sts:AssumeRole", "external id")
	s.run(t, "update", "sink", name, "--external-id", "right")
	d.goesOn(t)
	m.as(key).ask(t,
		assume(m.roleARN(name), "ExternalId", "right"),
		assume(m.roleARN(name), "ExternalId", "wrong").but("AccessDenied"),
		put(name, "p/segment-logs/a").but("AccessDenied"))
	m.as(key).assumed(t, m.roleARN(name), "--external-id", "right").ask(t,
		put(name, "p/segment-logs/a"), put(name, "a").but("AccessDenied"))
	m.enforce(t, false)
	m.admin().ask(t, to("s3", "delete_object", "Bucket", name, "Key", "p/segment-logs/a"))
	d.once(t, m.admin(), name)
}

// motoEncryption delivers with every setting there is, and looks at the objects.
func motoEncryption(t *testing.T, m *moto, s *strm) {
	const key = "arn:aws:kms:us-east-1:" + motoAccount + ":key/0f5a6f7e-4f0b-4bb0-9d4a-27f7a6c3d0aa"
	for name, tc := range map[string]struct {
		segment  bool
		sink     []string
		byBucket string // default encryption of the bucket
		how, key string
	}{
		"segment":        {segment: true, how: "AES256"}, // by default
		"sse-s3":         {sink: []string{"--encryption", "SSE-S3"}, how: "AES256"},
		"sse-s3-over-it": {sink: []string{"--encryption", "SSE-S3"}, byBucket: key, how: "AES256"},
		"sse-kms":        {sink: []string{"--encryption", "SSE-KMS", "--kms-key", key}, how: "aws:kms", key: key},
		"bucket-default": {sink: []string{"--encryption", "none"}, byBucket: key, how: "aws:kms", key: key},
		"none-at-all":    {sink: []string{"--encryption", "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := m.admin()
			admin.ask(t, to("s3", "create_bucket", "Bucket", name))
			if tc.byBucket != "" {
				rule := map[string]any{"ApplyServerSideEncryptionByDefault": map[string]string{"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": tc.byBucket}}
				admin.ask(t, to("s3", "put_bucket_encryption", "Bucket", name, "ServerSideEncryptionConfiguration", map[string]any{"Rules": []any{rule}}))
			}
			d := s.deliver(t, name, place{endpoint: m.url, bucket: name, segment: tc.segment, sink: append(tc.sink, "--region", "us-east-1", "--credentials-file",
				keyFile(t, accessKey{AccessKeyID: admin.key, SecretAccessKey: admin.secret}))})
			d.delivers(t)
			encrypted(t, d.once(t, admin, name), tc.how, tc.key)
		})
	}
}
