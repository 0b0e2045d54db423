package control

import (
	"path/filepath"
	"regexp"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// maxBucket is generous: S3 allows 63 bytes, its relatives more.
const maxBucket = 255

// placeSink reads BUCKET or BUCKET/prefix. A slash at the end says nothing.
func placeSink(s *stream.Sink, text string) error {
	switch {
	case text == "":
		return problem.New(problem.Invalid, "a sink needs a bucket")
	case strings.Contains(text, "://"):
		return problem.New(problem.Invalid, "bucket %q: give the name only, without a scheme", text)
	case filepath.IsAbs(text):
		return problem.New(problem.Invalid, "bucket %q looks like a directory; for that give the sink type DIR. A bucket has a name before the first slash", text)
	}
	b, prefix, _ := strings.Cut(text, "/")
	if len(b) > maxBucket || strings.ContainsFunc(b, notInToken) {
		return problem.New(problem.Invalid, "bucket %q: use at most %d letters, digits, '.', '_' and '-'", b, maxBucket)
	}
	s.Bucket, s.Prefix = b, strings.TrimSuffix(prefix, "/")
	return stream.CheckPathPrefix(s.Prefix)
}

// parseEncryption reads the names that strm and AWS have for it.
func parseEncryption(text string) (stream.Encryption, error) {
	switch strings.ToUpper(text) {
	case "":
		return stream.EncryptByLayout, nil
	case "NONE":
		return stream.EncryptByBucket, nil
	case "SSE-S3", "AES256":
		return stream.EncryptSSES3, nil
	case "SSE-KMS", "AWS:KMS":
		return stream.EncryptSSEKMS, nil
	}
	return "", problem.New(problem.Invalid, "encryption %q is not known; use none, SSE-S3 or SSE-KMS", text)
}

var (
	roleForm     = regexp.MustCompile(`^arn:[a-z0-9-]+:iam::[A-Za-z0-9_-]*:role/[\w+=,.@/-]+$`)
	awsRoleForm  = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	externalForm = regexp.MustCompile(`^[\w+=,.@:/-]*$`)
	keyForm      = regexp.MustCompile(`^[\w:/-]+$`)
)

// Bounds of STS and KMS.
const (
	maxRole                  = 2048
	minExternal, maxExternal = 2, 1224
	maxKMSKey                = 2048
)

// checkAccess refuses roles and encryption that no service would take.
func checkAccess(s stream.Sink) error {
	if s.Type != stream.SinkS3 {
		if s.Role != (stream.Role{}) || s.Encryption != "" || s.KMSKey != "" {
			return problem.New(problem.Invalid, "a role and encryption are for S3 sinks; this one is of type %s", s.Type)
		}
		return nil
	}
	if err := checkRole(s); err != nil {
		return err
	}
	switch {
	case s.KMSKey == "":
		return nil
	case s.Encryption != stream.EncryptSSEKMS:
		return problem.New(problem.Invalid, "a KMS key needs the encryption SSE-KMS")
	case len(s.KMSKey) > maxKMSKey || !keyForm.MatchString(s.KMSKey):
		return problem.New(problem.Invalid, "KMS key %q: give its id, ARN or alias", s.KMSKey)
	}
	return nil
}

func checkRole(s stream.Sink) error {
	r := s.Role
	if r.ARN == "" {
		if r != (stream.Role{}) {
			return problem.New(problem.Invalid, "an external id and an STS endpoint need a role (--role-arn)")
		}
		return nil
	}
	form := roleForm // other implementations name accounts as they like
	if s.Endpoint == "" && r.Endpoint == "" {
		form = awsRoleForm
	}
	if len(r.ARN) > maxRole || !form.MatchString(r.ARN) {
		return problem.New(problem.Invalid, "role %q is not the ARN of a role, such as arn:aws:iam::123456789012:role/NAME", r.ARN)
	}
	if n := len(r.ExternalID); n > 0 && (n < minExternal || n > maxExternal || !externalForm.MatchString(r.ExternalID)) {
		return problem.New(problem.Invalid, "the external id must have %d to %d letters, digits and characters of _+=,.@:/-", minExternal, maxExternal)
	}
	if err := checkEndpoint(r.Endpoint); err != nil {
		return problem.New(problem.Invalid, "STS: %w", err)
	}
	return nil
}
