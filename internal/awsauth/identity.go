package awsauth

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// Config says as whom services are asked.
type Config struct {
	// A key pair, with a session token if temporary, or the SDK's own chain
	// (environment, profile, web identity, instance role).
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Ambient         bool

	// Role, if it has an ARN, is assumed by those credentials, and asks.
	Role     Role
	Region   string // of STS; empty: by the role's partition
	Endpoint string // URL of a service that is its own STS too; empty for AWS
	Session  string // name of the role's sessions, in the vendor's logs; default "strm"

	// Transport replaces the HTTP transport, for tests; the caller closes it.
	Transport http.RoundTripper
}

// Role is an IAM role and how to get it.
type Role struct {
	ARN         string // empty: no role
	ExternalID  string
	STSEndpoint string // URL; empty: Config.Endpoint, or AWS's own in the region
}

// Identity is what a service's client is made of. Safe for concurrent use.
type Identity struct {
	Credentials aws.CredentialsProvider // of the role, if there is one
	Client      *Client
	Session     *Session // of the assumed role; nil without one

	cfg Config
	own *http.Transport
}

// Time limits of a connection. Requests have their own.
const (
	dialTimeout   = 10 * time.Second
	answerTimeout = 60 * time.Second // from the last byte sent to the first received
)

// defaultSession names sessions of a role that nobody named.
const defaultSession = "strm"

// Open returns the identity. Nothing is sent. (Ambient credentials may read
// files.) Without Ambient the environment has no say. CloseIdle releases what it keeps.
func (c Config) Open(ctx context.Context) (*Identity, error) {
	id := &Identity{cfg: c, own: newTransport()}
	if c.Ambient {
		// A buildable client, because AWS_CA_BUNDLE makes the loader insist on one.
		cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient()))
		if err != nil {
			return nil, fmt.Errorf("load the ambient AWS configuration: %w", err)
		}
		id.Credentials = cfg.Credentials
		if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
			id.own.TLSClientConfig = b.GetTransport().TLSClientConfig
		}
	} else {
		id.Credentials = credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
	}
	var rt http.RoundTripper = id.own
	if c.Transport != nil {
		rt = c.Transport
	}
	id.Client = &Client{&http.Client{
		Transport: rt,
		// A redirect means another region: ours to handle, with another signature.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.Role.ARN != "" {
		id.Session = c.session(id)
		id.Credentials = id.Session
	}
	return id, nil
}

// CloseIdle releases idle connections. Calls under way are not disturbed.
func (id *Identity) CloseIdle() { id.own.CloseIdleConnections() }

// Hide blanks out our secrets in foreign words.
func (id *Identity) Hide(words string) string {
	hidden := []string{id.cfg.SecretAccessKey, id.cfg.SessionToken}
	if id.Session != nil {
		hidden = append(hidden, id.Session.Secrets()...)
	}
	for _, secret := range hidden {
		if secret != "" {
			words = strings.ReplaceAll(words, secret, "***")
		}
	}
	return words
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

// session returns the session of the configured role, which id's credentials
// assume.
func (c Config) session(id *Identity) *Session {
	so := sts.Options{
		Region:           c.Region,
		Credentials:      id.Credentials,
		HTTPClient:       id.Client, // the same limits, and no redirects
		RetryMaxAttempts: 1,
	}
	if so.Region == "" {
		so.Region = stsRegion(c.Role.ARN)
	}
	if e := firstOf(c.Role.STSEndpoint, c.Endpoint); e != "" {
		so.BaseEndpoint = aws.String(strings.TrimRight(e, "/"))
	}
	provider := stscreds.NewAssumeRoleProvider(sts.New(so), c.Role.ARN, func(a *stscreds.AssumeRoleOptions) {
		a.Duration = sessionLength
		a.RoleSessionName = firstOf(c.Session, defaultSession)
		if c.Role.ExternalID != "" {
			a.ExternalID = aws.String(c.Role.ExternalID)
		}
	})
	return newSession(func(ctx context.Context) (aws.Credentials, error) {
		ctx, p := WithProgress(ctx) // of this request, not of the one that waits for it
		got, err := provider.Retrieve(ctx)
		if err != nil {
			return got, &AssumeError{Sent: p.Tried.Load(), Err: err}
		}
		return got, nil
	})
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// AssumeError says that a role could not be assumed: the request that needed
// its credentials was never made.
type AssumeError struct {
	Sent bool // the question went out to STS; else there were no credentials to ask with
	Err  error
}

// Error tells the cause.
func (e *AssumeError) Error() string { return "assume the role: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *AssumeError) Unwrap() error { return e.Err }

// stsRegion is where STS is asked when nobody has named a region: each of AWS's
// separate clouds knows its own roles only.
func stsRegion(roleARN string) string {
	switch {
	case strings.HasPrefix(roleARN, "arn:aws-cn:"):
		return "cn-north-1"
	case strings.HasPrefix(roleARN, "arn:aws-us-gov:"):
		return "us-gov-west-1"
	}
	return "us-east-1"
}
