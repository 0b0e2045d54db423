package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"strm/internal/awsauth"
	"strm/internal/objstore"
)

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
func (b *Bucket) assumeFailed(c call, a *awsauth.AssumeError) *objstore.Error {
	e := &objstore.Error{Op: c.op, Key: c.key, Outcome: objstore.NotSent}
	var re *awshttp.ResponseError
	if a.Sent && errors.As(a.Err, &re) && re.Response != nil && re.Response.Response != nil {
		e.Status = re.HTTPStatusCode()
	}
	var api smithy.APIError
	if a.Sent && errors.As(a.Err, &api) {
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
	e.Err = b.story(verdict{text: strings.ReplaceAll(text, "%r", b.cfg.Role.ARN)}, a.Err, api)
	return e
}

func (b *Bucket) judgeAssume(a *awsauth.AssumeError, status int, code, words string) (objstore.Reason, string) {
	given := errors.Is(a.Err, context.Canceled)
	switch {
	case errors.Is(a.Err, awsauth.ErrEnded):
		return objstore.ClockSkew, "the role's credentials cannot be used"
	case given:
		return objstore.Unknown, "given up before the role was assumed"
	case !a.Sent && errors.Is(a.Err, context.DeadlineExceeded):
		return objstore.Unreachable, "the credentials that should assume the role were not there in time"
	case !a.Sent && b.cfg.Ambient:
		return objstore.BadCredentials, "this machine's environment gives no AWS credentials to assume the role with"
	case !a.Sent:
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
