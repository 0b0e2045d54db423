package awsdouble

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// fault is a refusal.
type fault struct {
	status     int
	code, text string
}

const maxBody = 64 << 20

func readBody(r *http.Request) ([]byte, error) { return io.ReadAll(io.LimitReader(r.Body, maxBody)) }

// authenticate finds out who signed a request, and for which region. It signs
// the request anew with the key it should have been signed with.
func (c *Cloud) authenticate(r *http.Request, body []byte, service string) (by caller, region string, bad *fault) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return by, "", &fault{403, "AccessDenied", "Access Denied"}
	}
	part := map[string]string{}
	for _, f := range strings.Split(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		part[name] = value
	}
	scope := strings.Split(part["Credential"], "/")
	if len(scope) != 5 || scope[3] != service {
		return by, "", &fault{400, "AuthorizationHeaderMalformed", "the credential is malformed"}
	}
	s := c.access[scope[0]]
	if s == nil {
		return by, "", &fault{403, unknownKey[service], "The access key or security token included in the request is invalid."}
	}
	if r.Header.Get("X-Amz-Security-Token") != s.Token {
		return by, "", &fault{tokenStatus[service], invalidToken[service], "The provided token is malformed or otherwise invalid."}
	}
	if !signedWith(r, body, s.AccessKey, service, scope[2], strings.Split(part["SignedHeaders"], ";")) {
		return by, "", &fault{403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."}
	}
	if s.user != nil {
		return s.user.caller, scope[2], nil
	}
	if !c.now().Before(s.ends) {
		return by, "", &fault{tokenStatus[service], "ExpiredToken", "The provided token has expired."}
	}
	if s.n <= s.role.revoked {
		return by, "", &fault{tokenStatus[service], invalidToken[service], "The provided token is malformed or otherwise invalid."}
	}
	_, short, _ := strings.Cut(s.role.arn, ":role/")
	return caller{
		arn: "arn:aws:sts::" + s.role.account + ":assumed-role/" + short + "/" + s.name, role: s.role.arn, account: s.role.account, policy: s.role.policy,
	}, scope[2], nil
}

// S3 and STS have their own words for the same thing.
var (
	unknownKey   = map[string]string{"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId"}
	invalidToken = map[string]string{"s3": "InvalidToken", "sts": "InvalidClientTokenId"}
	tokenStatus  = map[string]int{"s3": 400, "sts": 403}
)

func signedWith(r *http.Request, body []byte, k AccessKey, service, region string, signed []string) bool {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}
	again := &http.Request{
		Method: r.Method, Host: r.Host, Header: http.Header{},
		URL: &url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery},
	}
	for _, name := range signed {
		if name != "host" && name != "content-length" {
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	if slices.Contains(signed, "content-length") {
		again.ContentLength = r.ContentLength
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if service == "s3" {
		if told := r.Header.Get("X-Amz-Content-Sha256"); told == "UNSIGNED-PAYLOAD" {
			hash = told
		} else if told != hash {
			return false
		}
	}
	err = v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token},
		again, hash, service, region, at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	return err == nil && subtle.ConstantTimeCompare([]byte(again.Header.Get("Authorization")), []byte(r.Header.Get("Authorization"))) == 1
}
