package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"strm/internal/objstore"
)

// defaultSession names sessions of a role that nobody named.
const defaultSession = "strm"

// roleSession returns the session of the configured role, which o's
// credentials assume.
func (c Config) roleSession(o awss3.Options) *session {
	so := sts.Options{
		Region:           c.Region,
		Credentials:      o.Credentials,
		HTTPClient:       o.HTTPClient, // the same limits, and no redirects
		RetryMaxAttempts: 1,
	}
	if so.Region == "" {
		so.Region = anyRegion
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
		ctx, p := withProgress(ctx) // of this request, not of the one that waits for it
		got, err := provider.Retrieve(ctx)
		if err != nil {
			return got, &assumeError{sent: p.tried.Load(), err: err}
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

// assumeError says that a role could not be assumed: the request that needed
// its credentials was never made.
type assumeError struct {
	sent bool // the question went out to STS; else there were no credentials to ask with
	err  error
}

func (e *assumeError) Error() string { return "assume the role: " + e.err.Error() }
func (e *assumeError) Unwrap() error { return e.err }

// byAssumeCode lists what STS says. Where two spellings exist, the second is
// that of the JSON protocols or of other implementations.
var byAssumeCode = map[string]struct {
	reason objstore.Reason
	text   string
}{
	"ExpiredToken":                {objstore.BadCredentials, "the credentials that should assume the role have expired"},
	"ExpiredTokenException":       {objstore.BadCredentials, "the credentials that should assume the role have expired"},
	"InvalidClientTokenId":        {objstore.BadCredentials, "STS does not know the access key that should assume the role, or it is inactive"},
	"InvalidAccessKeyId":          {objstore.BadCredentials, "STS does not know the access key that should assume the role, or it is inactive"},
	"UnrecognizedClientException": {objstore.BadCredentials, "STS does not know the access key that should assume the role, or it is inactive"},
	"InvalidToken":                {objstore.BadCredentials, "the session token that should assume the role is not valid"},
	"SignatureDoesNotMatch":       {objstore.BadCredentials, "STS does not accept the signature: is it the right secret access key, and does the STS endpoint serve sts:AssumeRole?"},
	"InvalidSignatureException":   {objstore.BadCredentials, "STS does not accept the signature: is it the right secret access key, and does the STS endpoint serve sts:AssumeRole?"},
	"IncompleteSignature":         {objstore.BadCredentials, "STS does not accept the signature"},
	"MissingAuthenticationToken":  {objstore.BadCredentials, "STS does not accept the credentials that should assume the role"},
	"OptInRequired":               {objstore.BadCredentials, "the account is not signed up for STS"},

	"RequestExpired":       {objstore.ClockSkew, "the clock of this machine differs too much from that of STS"},
	"RequestTimeTooSkewed": {objstore.ClockSkew, "the clock of this machine differs too much from that of STS"},

	"NoSuchEntity":            {objstore.BadRequest, "there is no role %r"},
	"NoSuchEntityException":   {objstore.BadRequest, "there is no role %r"},
	"RegionDisabledException": {objstore.BadRequest, "STS is switched off in this region: give the sink another --region, or an --sts-endpoint"},
	"ValidationError":         {objstore.BadRequest, "STS refuses the role, the external id or the session's length"},
	"InvalidParameterValue":   {objstore.BadRequest, "STS refuses the role, the external id or the session's length"},

	"Throttling":          {objstore.Throttled, "STS asks to slow down"},
	"ThrottlingException": {objstore.Throttled, "STS asks to slow down"},
	"TooManyRequests":     {objstore.Throttled, "STS asks to slow down"},
	"SlowDown":            {objstore.Throttled, "STS asks to slow down"},
	"ServiceUnavailable":  {objstore.Throttled, "STS is not available at the moment"},
}

// noCode is what the SDK puts where an answer has none.
const noCode = "UnknownError"

// refusedRole is the text of a denial. AWS says the same for all of its causes.
const refusedRole = "the role cannot be assumed. Check that it exists, that its trust policy names these credentials as principal, " +
	"that the policy's sts:ExternalId is the sink's external id, and that the credentials may call sts:AssumeRole"

// assumeFailed judges a call that did not get its role. Whatever became of the
// question to STS, nothing was sent to the store.
func (b *Bucket) assumeFailed(c call, a *assumeError) *objstore.Error {
	e := &objstore.Error{Op: c.op, Key: c.key, Outcome: objstore.NotSent}
	var re *awshttp.ResponseError
	if a.sent && errors.As(a.err, &re) && re.Response != nil && re.Response.Response != nil {
		e.Status = re.HTTPStatusCode()
	}
	var api smithy.APIError
	if a.sent && errors.As(a.err, &api) {
		e.Code = api.ErrorCode()
	}
	if e.Code == noCode {
		e.Code = ""
	}
	reason, text := b.judgeAssume(a, e.Status, e.Code, message(api))
	e.Reason = reason
	if reason == objstore.Denied {
		e.Action = "sts:AssumeRole on " + b.cfg.Role.ARN
	}
	if e.Status == 0 || e.Code == "" {
		api = nil // then the words are not those of STS
	}
	e.Err = b.story(verdict{text: strings.ReplaceAll(text, "%r", b.cfg.Role.ARN)}, a.err, api)
	return e
}

func (b *Bucket) judgeAssume(a *assumeError, status int, code, words string) (objstore.Reason, string) {
	given := errors.Is(a.err, context.Canceled)
	switch {
	case errors.Is(a.err, errEnded):
		return objstore.ClockSkew, "the role's credentials cannot be used"
	case given:
		return objstore.Unknown, "given up before the role was assumed"
	case !a.sent && errors.Is(a.err, context.DeadlineExceeded):
		return objstore.Unreachable, "the credentials that should assume the role were not there in time"
	case !a.sent && b.cfg.Ambient:
		return objstore.BadCredentials, "the environment of the server gives no AWS credentials to assume the role with"
	case !a.sent:
		return objstore.BadRequest, "the request to STS cannot be made"
	case status == 0:
		return objstore.Unreachable, "STS cannot be reached, so the role cannot be assumed"
	case strings.HasPrefix(words, "Signature expired") || strings.HasPrefix(words, "Signature not yet current"):
		return objstore.ClockSkew, "the clock of this machine differs too much from that of STS"
	}
	if v, ok := byAssumeCode[code]; ok {
		return v.reason, v.text
	}
	switch {
	case status == http.StatusForbidden, code == "AccessDenied", code == "AccessDeniedException":
		return objstore.Denied, refusedRole
	case status == http.StatusUnauthorized:
		return objstore.BadCredentials, "STS does not accept the credentials that should assume the role"
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return objstore.Throttled, "STS is not available at the moment"
	case status >= 500 && status != http.StatusNotImplemented:
		return objstore.Unknown, "STS failed"
	case status < 300 && code == "":
		return objstore.BadRequest, "this is no answer of STS: is the endpoint right? (--sts-endpoint, else the sink's)"
	case code == "" && status == http.StatusNotFound:
		// So does radosgw say that there is no such role: in words that the SDK cannot read.
		return objstore.BadRequest, "there is no role %r, or the endpoint does not serve sts:AssumeRole (--sts-endpoint, else the sink's)"
	case code == "":
		return objstore.BadRequest, "the endpoint does not serve sts:AssumeRole (--sts-endpoint, else the sink's)"
	}
	return objstore.BadRequest, "STS refuses the request"
}
