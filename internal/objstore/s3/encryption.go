package s3

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"strm/internal/objstore"
)

// encrypt asks for encryption at rest as the sink says, or else as the content does.
func (c Config) encrypt(in *awss3.PutObjectInput, wanted bool) {
	switch c.Encryption {
	case ByContent:
		if wanted {
			in.ServerSideEncryption = types.ServerSideEncryptionAes256
		}
	case ByBucket:
	case SSES3:
		in.ServerSideEncryption = types.ServerSideEncryptionAes256
	case SSEKMS:
		in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
		if c.KMSKey != "" {
			in.SSEKMSKeyId = aws.String(c.KMSKey)
		}
	}
}

// switchOff tells how to do without what a store does not have.
const switchOff = "switch it off: strm update sink NAME --encryption none"

// encryptionRefused judges answers about encryption: keys that cannot be used,
// and stores that encrypt nothing. A store that gives no reason for "not
// implemented" is taken to mean the encryption where some was asked for: were
// it the condition after all, that shows once the encryption is off, but the
// other way round exactly-once delivery would lose a guard.
func encryptionRefused(status int, code, text string, c call) (verdict, bool) {
	words := strings.ToLower(text)
	about := strings.Contains(words, "encrypt") || strings.Contains(words, "kms")
	condition := strings.Contains(words, "if-none-match")
	asked := c.encryption != ""
	switch {
	case aboutKey(code) && strings.Contains(strings.ToLower(code), "accessdenied"):
		return verdict{objstore.Rejected, objstore.Denied, "the credentials may not use the encryption key"}, true
	case aboutKey(code) && status < 500:
		return verdict{objstore.Rejected, objstore.BadRequest, keyStory(code)}, true
	case asked && !condition && (code == "NotImplemented" || status == http.StatusNotImplemented):
		return verdict{objstore.Rejected, objstore.BadRequest, "the store does not encrypt as the sink asks (" + string(c.encryption) + "); " + switchOff}, true
	case asked && about && status >= 400 && status < 500 && status != http.StatusForbidden:
		return verdict{objstore.Rejected, objstore.BadRequest, "the store does not accept the sink's encryption (" + string(c.encryption) + "); change it, or " + switchOff}, true
	}
	return verdict{}, false
}

func aboutKey(code string) bool { return strings.Contains(strings.ToUpper(code), "KMS") }

func keyStory(code string) string {
	what := strings.ToLower(code)
	switch {
	case strings.Contains(what, "notfound"):
		return "there is no such KMS key: correct the sink's --kms-key, or the bucket's default encryption"
	case strings.Contains(what, "disabled"):
		return "the KMS key is disabled: enable it, or give another one"
	case strings.Contains(what, "invalidstate"):
		return "the KMS key cannot be used in its state: is it to be deleted?"
	}
	return "the encryption key (KMS) cannot be used"
}

// unauthorized finds the action and resource AWS names in its refusals, which
// may be another than ours: kms:GenerateDataKey for an encrypted bucket.
var unauthorized = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z*]+)(?: on resource: "?(arn:[^" ]+))?`)

// action names the missing permission.
func (b *Bucket) action(c call, code, text string) string {
	if m := unauthorized.FindStringSubmatch(text); m != nil {
		switch {
		case m[2] != "":
			return m[1] + " on " + m[2]
		case strings.HasPrefix(m[1], "kms:"):
			return m[1] + " on " + b.key()
		}
	}
	if aboutKey(code) {
		return "kms:GenerateDataKey on " + b.key()
	}
	arn := "arn:aws:s3:::" + b.cfg.Bucket
	if c.key != "" {
		arn += "/" + c.key
	}
	return c.action + " on " + arn
}

// key names the encryption key that is used.
func (b *Bucket) key() string {
	if b.cfg.KMSKey != "" {
		return b.cfg.KMSKey
	}
	return "the bucket's key"
}
