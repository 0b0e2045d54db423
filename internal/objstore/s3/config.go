package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"strm/internal/awsauth"
)

// Config says which bucket, where and as whom.
type Config struct {
	Bucket    string
	Endpoint  string // URL of a compatible store; empty for AWS
	Region    string // empty: found at the first call
	PathStyle bool   // http://host/bucket/key instead of http://bucket.host/key

	// The credentials: a key pair, with a session token if temporary, or the
	// SDK's own chain (environment, profile, web identity, instance role).
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Ambient         bool

	// Role, if it has an ARN, is assumed by those credentials, and writes.
	Role    Role
	Session string // name of the role's sessions, in the vendor's logs; default "strm"

	Encryption Encryption
	KMSKey     string // id or ARN, for SSE-KMS; empty: the account's own key for S3

	// Transport replaces the HTTP transport, for tests; the caller closes it.
	Transport http.RoundTripper
}

// Role is an IAM role and how to get it. Without an STSEndpoint, Config.Endpoint
// is asked, or AWS's own in the region.
type Role = awsauth.Role

// Encryption says which header asks for encryption at rest.
type Encryption string

// The ways to encrypt.
const (
	ByContent Encryption = ""        // AES256 where the content asks for it
	ByBucket  Encryption = "none"    // no header: the bucket's default decides
	SSES3     Encryption = "SSE-S3"  // AES256
	SSEKMS    Encryption = "SSE-KMS" // aws:kms, with KMSKey
)

// Time limits. A request may take the base plus its size at the slowest rate
// that is still worth waiting for; without an answer by then it is ambiguous.
const (
	requestBase     = 90 * time.Second
	slowestBytesPer = 128 << 10 // bytes per second
	locateTimeout   = 20 * time.Second
)

// anyRegion signs the request that asks for the region, and serves stores
// that do not know regions.
const anyRegion = "us-east-1"

func (c Config) check() error {
	if c.Bucket == "" {
		return errors.New("s3: the bucket has no name")
	}
	if strings.ContainsAny(c.Bucket, "/ \t\r\n?#%") {
		return fmt.Errorf("s3: %q cannot be the name of a bucket", c.Bucket)
	}
	for _, e := range []string{c.Endpoint, c.Role.STSEndpoint} {
		if err := checkEndpoint(e); err != nil {
			return err
		}
	}
	if c.Role.ARN == "" && c.Role != (Role{}) {
		return errors.New("s3: an external id or an STS endpoint is given, but no role")
	}
	switch c.Encryption {
	case ByContent, ByBucket, SSES3:
		if c.KMSKey != "" {
			return errors.New("s3: a KMS key is given, but the encryption is not SSE-KMS")
		}
	case SSEKMS:
	default:
		return fmt.Errorf("s3: encryption %q is not known", c.Encryption)
	}
	switch {
	case c.Ambient && (c.AccessKeyID != "" || c.SecretAccessKey != ""):
		return errors.New("s3: both an access key and ambient credentials are given")
	case !c.Ambient && (c.AccessKeyID == "" || c.SecretAccessKey == ""):
		return errors.New("s3: the access key id or the secret access key is missing")
	}
	return nil
}

func checkEndpoint(e string) error {
	if e == "" {
		return nil
	}
	u, err := url.Parse(e)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("s3: the endpoint is not a URL like https://host:port")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("s3: the endpoint must be a URL without user, query or fragment")
	}
	return nil
}

// identity says as whom the bucket is asked.
func (c Config) identity() awsauth.Config {
	return awsauth.Config{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Ambient: c.Ambient,
		Role: c.Role, Region: c.Region, Endpoint: c.Endpoint, Session: c.Session, Transport: c.Transport,
	}
}

// options assembles the SDK's options. The environment has no say but for
// ambient credentials: a sink with its own key pair must not change with AWS_PROFILE.
func (c Config) options(id *awsauth.Identity) awss3.Options {
	o := awss3.Options{
		Region:                     anyRegion,
		UsePathStyle:               c.PathStyle,
		RetryMaxAttempts:           1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		Credentials:                id.Credentials,
		HTTPClient:                 id.Client,
	}
	if c.Endpoint != "" {
		o.BaseEndpoint = aws.String(strings.TrimRight(c.Endpoint, "/"))
	}
	return o
}
