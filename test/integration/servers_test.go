//go:build integration

package integration

import (
	"strings"
	"testing"
)

// stmt is a statement of a policy; who may be nil.
func stmt(effect string, who any, action, resource string, condition any) map[string]any {
	s := map[string]any{"Effect": effect, "Action": action}
	if resource != "" {
		s["Resource"] = resource
	}
	if who != nil {
		s["Principal"] = who
	}
	if condition != nil {
		s["Condition"] = condition
	}
	return s
}

func arns(arn ...string) any { return map[string]any{"AWS": arn} }

// deniesUnencrypted is the bucket policy of the Segment seed, as printed there.
const deniesUnencrypted = `{
    "Version": "2008-10-17",
    "Id": "Policy1425281770533",
    "Statement": [
        {
            "Sid": "AllowSegmentUser",
            "Effect": "Allow",
            "Principal": {
                "AWS": "arn:aws:iam::107630771604:user/s3-copy"
            },
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::YOUR_BUCKET_NAME/segment-logs/*"
        },
        {
            "Sid": "DenyIncorrectEncryptionHeader",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::YOUR_BUCKET_NAME/*",
            "Condition": {
                "StringNotEquals": {
                    "s3:x-amz-server-side-encryption": "AES256"
                }
            }
        },
        {
            "Sid": "DenyUnEncryptedObjectUploads",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::YOUR_BUCKET_NAME/*",
            "Condition": {
                "Null": {
                    "s3:x-amz-server-side-encryption": "true"
                }
            }
        }
    ]
}
`

// seedUser is the user that the seed's policy lets write.
const seedUser = "s3-copy"

// enforcing is the seed's policy for a bucket.
func enforcing(bucket string) string {
	return strings.ReplaceAll(deniesUnencrypted, "YOUR_BUCKET_NAME", bucket)
}

const sse = "ServerSideEncryption"

// cephJudges shows that radosgw enforces what the tests of strm rely on, with
// boto3 as the client: every refusal beside the same request allowed.
func cephJudges(t *testing.T, c *ceph, owner, seed accessKey) {
	const bucket = "judged"
	admin, user := c.as(owner), c.as(seed)
	admin.ask(t, to("s3", "create_bucket", "Bucket", bucket))
	user.ask(t, put(bucket, "segment-logs/a.gz", sse, "AES256").but("AccessDenied"))
	admin.ask(t, to("s3", "put_bucket_policy", "Bucket", bucket, "Policy", enforcing(bucket)))
	user.ask(t,
		put(bucket, "segment-logs/a.gz").but("AccessDenied"),
		put(bucket, "segment-logs/a.gz", sse, "aws:kms", "SSEKMSKeyId", kmsKey).but("AccessDenied"),
		put(bucket, "segment-logs/a.gz", sse, "AES256"),
		put(bucket, "a.gz", sse, "AES256").but("AccessDenied"))
	may := stmt("Allow", nil, "s3:PutObject", "arn:aws:s3:::"+bucket+"/role/*", nil)
	admin.ask(t, append(append([]asked{
		put(bucket, "a.gz").but("AccessDenied"), // the owner neither
		put(bucket, "a.gz", sse, "AES256"),
		to("s3", "delete_bucket_policy", "Bucket", bucket)},
		c.role(t, "judged", c.userARN(seedUser), may)...), c.role(t, "others", c.userARN("somebody"), may)...)...)
	user.ask(t,
		assume(c.roleARN("judged")),
		assume(c.roleARN("others")).but("403"),
		assume(c.roleARN("unknown")).but("404"),
		put(bucket, "role/a.gz").but("AccessDenied"))
	role := user.assumed(t, c.roleARN("judged"))
	role.ask(t, put(bucket, "role/a.gz"), put(bucket, "a.gz").but("AccessDenied"))
	role.token = ""
	role.ask(t, put(bucket, "role/a.gz").but("AccessDenied"))
}

// motoJudges is the same for moto.
func motoJudges(t *testing.T, m *moto) {
	const bucket = "judged"
	m.admin().ask(t, append([]asked{to("s3", "create_bucket", "Bucket", bucket)},
		m.role(t, "judged", document(t, stmt("Allow", arns(m.userARN("judged")), "sts:AssumeRole", "",
			map[string]any{"StringEquals": map[string]string{"sts:ExternalId": "right"}})),
			stmt("Allow", nil, "s3:PutObject", "arn:aws:s3:::"+bucket+"/role/*", nil))...)...)
	key, other := m.user(t, "judged", stmt("Allow", nil, "sts:AssumeRole", m.roleARN("judged"), nil)), m.user(t, "other")
	m.enforce(t, true)
	m.as(key).ask(t,
		assume(m.roleARN("judged"), "ExternalId", "right"),
		assume(m.roleARN("judged"), "ExternalId", "wrong").but("AccessDenied"),
		put(bucket, "role/a.gz").but("AccessDenied"))
	m.as(other).ask(t, assume(m.roleARN("judged"), "ExternalId", "right").but("AccessDenied"))
	role := m.as(key).assumed(t, m.roleARN("judged"), "--external-id", "right")
	role.ask(t, put(bucket, "role/a.gz"), put(bucket, "a.gz").but("AccessDenied"))
	role.token = ""
	role.ask(t, put(bucket, "role/a.gz").but("InvalidAccessKeyId"))
	m.enforce(t, false)
	m.admin().ask(t, put(bucket, "a.gz"))
}
