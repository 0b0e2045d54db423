package sns

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" // what SNS signs version 1 with
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"time"

	"strm/internal/notice"
	"strm/internal/problem"
)

// MaxBody is the longest message in bytes: SNS carries 256 KB, which JSON escapes.
const MaxBody = 512 << 10

// How old a message may be, and how far ahead of our clock. SNS retries for an
// hour at most.
const (
	maxAge   = 2 * time.Hour
	maxAhead = 5 * time.Minute
)

// Options say how messages are verified. The zero value is for production.
type Options struct {
	// RequireV2 refuses signatures of version 1, which are over a SHA-1 digest.
	// A topic makes them unless its attribute SignatureVersion is 2.
	RequireV2 bool
	// Roots replaces the system's for TLS to SNS.
	Roots *x509.CertPool
	// Transport replaces the HTTP transport, and with it Roots and the proxy; the
	// caller closes it.
	Transport http.RoundTripper
}

// Verifier verifies messages. It is safe for concurrent use, and keeps no
// connection and no goroutine.
type Verifier struct {
	requireV2    bool
	client       *http.Client
	certificates certificates
	now          func() time.Time
}

// New returns a Verifier.
func New(o Options) *Verifier {
	rt := o.Transport
	if rt == nil {
		rt = newTransport(o.Roots)
	}
	v := &Verifier{requireV2: o.RequireV2, now: time.Now}
	v.client = &http.Client{
		Transport: rt,
		// Where it would lead is not what was checked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	v.certificates = certificates{client: v.client, now: func() time.Time { return v.now() }, entries: map[string]*entry{}}
	return v
}

// newTransport keeps no connections: certificates are fetched once a day.
func newTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: requestTimeout}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    requestTimeout,
		ResponseHeaderTimeout:  requestTimeout,
		MaxResponseHeaderBytes: 64 << 10,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
}

// Verify returns the message in a body if it is one that the topic has signed
// lately. Errors are *Error.
func (v *Verifier) Verify(ctx context.Context, body []byte, topicARN string) (notice.Envelope, error) {
	if len(body) > MaxBody {
		return notice.Envelope{}, failed(CheckSize, problem.TooLarge, "the message has more than %d bytes", MaxBody)
	}
	e, err := notice.ParseEnvelope(body)
	if err != nil {
		return notice.Envelope{}, &Error{Check: CheckJSON, Err: err}
	}
	if err := v.verify(ctx, &e, topicARN); err != nil {
		return notice.Envelope{}, err
	}
	return e, nil
}

func (v *Verifier) verify(ctx context.Context, e *notice.Envelope, topicARN string) error {
	switch e.Type {
	case notice.TypeNotification, notice.TypeSubscription, notice.TypeUnsubscription:
	default:
		return failed(CheckType, problem.Invalid, "the message has a type that SNS does not have")
	}
	if topicARN == "" || e.TopicARN != topicARN {
		return failed(CheckTopic, problem.Forbidden, "the message is of another topic than the configured one")
	}
	topic, err := notice.ParseTopic(topicARN)
	if err != nil {
		return failed(CheckTopic, problem.Internal, "the configured topic: %w", err)
	}
	if err := checkCertURL(e.SigningCertURL, topic); err != nil {
		return &Error{Check: CheckURL, Err: err}
	}
	hash, digest, signature, err := v.form(e)
	if err != nil {
		return &Error{Check: CheckForm, Err: err}
	}
	key, err := v.certificates.key(ctx, e.SigningCertURL)
	if err != nil {
		return &Error{Check: CheckCertificate, Err: err}
	}
	// Not x509's CheckSignature, whose policy on SHA-1 is about certificates.
	if err := rsa.VerifyPKCS1v15(key, hash, digest, signature); err != nil {
		return failed(CheckSignature, problem.Forbidden, "the signature does not belong to the message")
	}
	return v.checkAge(e)
}

// form returns the digest that the signature should be over.
func (v *Verifier) form(e *notice.Envelope) (hash crypto.Hash, digest, signature []byte, err error) {
	switch {
	case e.SignatureVersion == "1" && v.requireV2:
		return 0, nil, nil, problem.New(problem.Forbidden, "the signature has version 1, but version 2 is required: set SignatureVersion of the topic to 2")
	case e.SignatureVersion == "1":
		sum := sha1.Sum(e.StringToSign())
		hash, digest = crypto.SHA1, sum[:]
	case e.SignatureVersion == "2":
		sum := sha256.Sum256(e.StringToSign())
		hash, digest = crypto.SHA256, sum[:]
	default:
		return 0, nil, nil, problem.New(problem.Forbidden, "the signature's version is neither 1 nor 2")
	}
	signature, err = base64.StdEncoding.DecodeString(e.Signature)
	if err == nil && len(signature) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return 0, nil, nil, problem.New(problem.Forbidden, "the signature is not one: %w", err)
	}
	return hash, digest, signature, nil
}

func (v *Verifier) checkAge(e *notice.Envelope) error {
	at, err := e.At()
	if err != nil {
		return &Error{Check: CheckAge, Err: err}
	}
	switch age := v.now().Sub(at); {
	case age > maxAge:
		return failed(CheckAge, problem.Forbidden, "the message is %s old: more than %s", age.Round(time.Second), maxAge)
	case age < -maxAhead:
		return failed(CheckAge, problem.Forbidden, "the message is %s ahead of the clock of this machine: more than %s. Is it right?", (-age).Round(time.Second), maxAhead)
	}
	return nil
}
