package s3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
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

// Role is an IAM role and how to get it.
type Role struct {
	ARN         string // empty: no role
	ExternalID  string
	STSEndpoint string // URL; empty: Config.Endpoint, or AWS's own in the region
}

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
	dialTimeout     = 10 * time.Second
	answerTimeout   = 60 * time.Second // from the last byte sent to the first received
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

// newTransport speaks HTTP/1.1 alone: on a connection of its own a request
// either was written or was not. Bodies arrive as they are stored.
func newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
		DisableCompression:    true,
		Protocols:             protocols,
	}
}

// options assembles the SDK's options. Without Ambient the environment has no
// say: a sink with its own key pair must not change with AWS_PROFILE.
func (c Config) options(ctx context.Context) (awss3.Options, *http.Transport, error) {
	o := awss3.Options{
		Region:                     anyRegion,
		UsePathStyle:               c.PathStyle,
		RetryMaxAttempts:           1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if c.Endpoint != "" {
		o.BaseEndpoint = aws.String(strings.TrimRight(c.Endpoint, "/"))
	}
	own := newTransport()
	if c.Ambient {
		// A buildable client, because AWS_CA_BUNDLE makes the loader insist on one.
		cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient()))
		if err != nil {
			return o, nil, fmt.Errorf("s3: load the ambient AWS configuration: %w", err)
		}
		o.Credentials = cfg.Credentials
		if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			own.TLSClientConfig = b.GetTransport().TLSClientConfig
		}
	} else {
		o.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	var rt http.RoundTripper = own
	if c.Transport != nil {
		rt = c.Transport
	}
	o.HTTPClient = &tracing{&http.Client{
		Transport: rt,
		// A redirect means another region: ours to handle, with another signature.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	return o, own, nil
}
