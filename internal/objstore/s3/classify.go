package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"strm/internal/awsauth"
	"strm/internal/objstore"
)

// call is what an error is about.
type call struct {
	op, key     string
	action      string // the permission the call needs
	conditional bool   // was sent with If-None-Match
	matching    bool   // was sent with If-Match
	encryption  types.ServerSideEncryption
}

// verdict is what an answer means.
type verdict struct {
	outcome objstore.Outcome
	reason  objstore.Reason
	text    string // for a person; empty: the store's own words will do
}

// byCode lists the codes that mean one thing whatever the status. The store's
// refusal is sure; that it failed is not: those with status 5xx stay ambiguous.
var byCode = map[string]verdict{
	"PreconditionFailed": {objstore.Exists, objstore.Unknown, "the key is taken"},

	"ConditionalRequestConflict": {objstore.Rejected, objstore.Contended, "another write of this key is under way"},
	"OperationAborted":           {objstore.Rejected, objstore.Contended, "a conflicting operation is under way"},

	"InvalidAccessKeyId":          {objstore.Rejected, objstore.BadCredentials, "the access key is not known to the store, or is inactive"},
	"XAdminUserNotFound":          {objstore.Rejected, objstore.BadCredentials, "the access key is not known to the store"},
	"XAdminNoSuchUser":            {objstore.Rejected, objstore.BadCredentials, "the access key is not known to the store"},
	"NoSuchAccessKey":             {objstore.Rejected, objstore.BadCredentials, "the access key is not known to the store"},
	"SignatureDoesNotMatch":       {objstore.Rejected, objstore.BadCredentials, "the secret access key does not belong to the access key"},
	"ExpiredToken":                {objstore.Rejected, objstore.BadCredentials, "the temporary credentials have expired"},
	"ExpiredTokenException":       {objstore.Rejected, objstore.BadCredentials, "the temporary credentials have expired"},
	"InvalidToken":                {objstore.Rejected, objstore.BadCredentials, "the session token is not valid"},
	"InvalidTokenId":              {objstore.Rejected, objstore.BadCredentials, "the session token is not valid"},
	"TokenRefreshRequired":        {objstore.Rejected, objstore.BadCredentials, "the session token must be refreshed"},
	"UnrecognizedClientException": {objstore.Rejected, objstore.BadCredentials, "the access key or session token is not valid"},
	"InvalidSecurity":             {objstore.Rejected, objstore.BadCredentials, "the credentials are not valid"},
	"NotSignedUp":                 {objstore.Rejected, objstore.BadCredentials, "the account is not signed up for S3"},
	"AccountProblem":              {objstore.Rejected, objstore.BadCredentials, "there is a problem with the account"},

	"NoSuchBucket":       {objstore.Rejected, objstore.NoBucket, "bucket %b does not exist (or is in another account)"},
	"InvalidBucketName":  {objstore.Rejected, objstore.NoBucket, "%b is not a valid bucket name"},
	"NoSuchVersion":      {objstore.Rejected, objstore.NoObject, "there is no such version of the object"},
	"InvalidObjectState": {objstore.Rejected, objstore.BadRequest, "the object is archived: it must be restored before it can be read"},
	"NoSuchKey":          {objstore.Rejected, objstore.NoObject, "there is no such object"},

	"PermanentRedirect":                  {objstore.Rejected, objstore.WrongRegion, "bucket %b must be addressed in another region"},
	"TemporaryRedirect":                  {objstore.Rejected, objstore.WrongRegion, "bucket %b must be addressed in another region"},
	"IllegalLocationConstraintException": {objstore.Rejected, objstore.WrongRegion, "bucket %b must be addressed in another region"},

	"RequestTimeTooSkewed": {objstore.Rejected, objstore.ClockSkew, "the clock of this machine differs too much from the store's"},
	"RequestExpired":       {objstore.Rejected, objstore.ClockSkew, "the clock of this machine differs too much from the store's"},

	"BadDigest":                   {objstore.Rejected, objstore.Damaged, "the bytes that arrived do not match their checksum"},
	"InvalidDigest":               {objstore.Rejected, objstore.Damaged, "the store does not accept the checksum"},
	"XAmzContentChecksumMismatch": {objstore.Rejected, objstore.Damaged, "the bytes that arrived do not match their checksum"},
	"XAmzContentSHA256Mismatch":   {objstore.Rejected, objstore.Damaged, "the bytes that arrived do not match their checksum"},
	"IncompleteBody":              {objstore.Rejected, objstore.Damaged, "fewer bytes arrived than were announced"},

	"KeyTooLongError":               {objstore.Rejected, objstore.BadKey, "the key is too long for the store"},
	"KeyTooLong":                    {objstore.Rejected, objstore.BadKey, "the key is too long for the store"},
	"InvalidURI":                    {objstore.Rejected, objstore.BadKey, "the store cannot hold such a key"},
	"XMinioInvalidObjectName":       {objstore.Rejected, objstore.BadKey, "the store cannot hold such a key"},
	"XMinioInvalidResourceName":     {objstore.Rejected, objstore.BadKey, "the store cannot hold such a key"},
	"XMinioParentIsObject":          {objstore.Rejected, objstore.BadKey, "a part of the key's path is itself an object"},
	"XMinioObjectExistsAsDirectory": {objstore.Rejected, objstore.BadKey, "the key is a directory in the store"},
	"ObjectParentIsFile":            {objstore.Rejected, objstore.BadKey, "a part of the key's path is itself an object"},
	"ExistingObjectIsDirectory":     {objstore.Rejected, objstore.BadKey, "the key is a directory in the store"},

	"RequestTimeout":                 {objstore.Ambiguous, objstore.Unknown, "the store got tired of waiting for the bytes"},
	"RequestTimeoutException":        {objstore.Ambiguous, objstore.Unknown, "the store got tired of waiting for the bytes"},
	"SlowDown":                       {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"SlowDownWrite":                  {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"SlowDownRead":                   {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"ServiceUnavailable":             {objstore.Ambiguous, objstore.Throttled, "the store is not available at the moment"},
	"Throttling":                     {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"ThrottlingException":            {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"RequestLimitExceeded":           {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"TooManyRequests":                {objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"},
	"XMinioStorageFull":              {objstore.Ambiguous, objstore.NoSpace, "the store has no space left"},
	"QuotaExceeded":                  {objstore.Rejected, objstore.NoSpace, "the quota of the bucket is used up"},
	"XMinioAdminBucketQuotaExceeded": {objstore.Rejected, objstore.NoSpace, "the quota of the bucket is used up"},
}

// classify turns the failure of a call into what it means for the caller. The
// rule for doubt: an answer that does not surely say "refused" is Ambiguous.
func (b *Bucket) classify(c call, err error, p *awsauth.Progress) *objstore.Error {
	var a *awsauth.AssumeError
	if errors.As(err, &a) {
		return b.assumeFailed(c, a)
	}
	e := &objstore.Error{Op: c.op, Key: c.key}
	var re *awshttp.ResponseError
	// Before the request was tried, an answer can only be that of a service for
	// ambient credentials.
	if p.Tried.Load() && errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		e.Status = re.HTTPStatusCode()
	}
	var api smithy.APIError
	if p.Tried.Load() && errors.As(err, &api) {
		e.Code = api.ErrorCode()
	}
	var v verdict
	if e.Status == 0 {
		v = unanswered(err, p, b.cfg.Ambient)
	} else {
		v = answered(e.Status, e.Code, message(api), c)
	}
	e.Outcome, e.Reason = v.outcome, v.reason
	if v.reason == objstore.Denied {
		e.Action = b.action(c, e.Code, message(api))
	}
	e.Err = b.story(v, err, api)
	return e
}

// unanswered judges a call that got no answer. Signing comes before dialling,
// dialling before a connection, a connection before the first byte.
func unanswered(err error, p *awsauth.Progress, ambient bool) verdict {
	switch {
	case p.Connected.Load():
		return verdict{objstore.Ambiguous, objstore.Unknown, "no answer: it may or may not have happened"}
	case p.Tried.Load():
		return verdict{objstore.NotSent, objstore.Unreachable, "the store cannot be reached"}
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return verdict{objstore.NotSent, objstore.Unknown, "given up before anything was sent"}
	case ambient:
		return verdict{objstore.NotSent, objstore.BadCredentials, "this machine's environment gives no AWS credentials"}
	}
	return verdict{objstore.NotSent, objstore.BadRequest, "the request cannot be made"}
}

// answered judges an answer by code, then by status.
func answered(status int, code, text string, c call) verdict {
	if c.matching && (code == "PreconditionFailed" || status == http.StatusPreconditionFailed) {
		return verdict{objstore.Rejected, objstore.Replaced, "the object was replaced by another one"}
	}
	if v, ok := byCode[code]; ok {
		if v.outcome == objstore.Rejected && status >= 500 && v.reason != objstore.Contended {
			v.outcome = objstore.Ambiguous
		}
		return v
	}
	if v, ok := encryptionRefused(status, code, text, c); ok {
		return v
	}
	switch {
	case c.conditional && (code == "NotImplemented" || status == http.StatusNotImplemented ||
		(status == http.StatusBadRequest && strings.Contains(strings.ToLower(text), "if-none-match"))):
		return verdict{objstore.Rejected, objstore.NoConditions, "the store does not know conditional writes"}
	case code == "AuthorizationHeaderMalformed":
		if strings.Contains(strings.ToLower(text), "region") {
			return verdict{objstore.Rejected, objstore.WrongRegion, "bucket %b must be addressed in another region"}
		}
		return verdict{objstore.Rejected, objstore.BadCredentials, "the access key has not the form the store expects"}
	}
	return byStatus(status, c)
}

func byStatus(status int, c call) verdict {
	switch status {
	case http.StatusPreconditionFailed, http.StatusNotModified:
		if c.conditional {
			return verdict{objstore.Exists, objstore.Unknown, "the key is taken"}
		}
	case http.StatusConflict:
		return verdict{objstore.Rejected, objstore.Contended, "a conflicting operation is under way"}
	case http.StatusForbidden:
		if c.op == "get" {
			return verdict{objstore.Rejected, objstore.Denied, "not permitted, or there is no such object (without s3:ListBucket the store does not say)"}
		}
		return verdict{objstore.Rejected, objstore.Denied, "the credentials do not permit this"}
	case http.StatusUnauthorized:
		return verdict{objstore.Rejected, objstore.BadCredentials, "the store does not accept the credentials"}
	case http.StatusNotFound:
		switch c.op {
		case "get":
			return verdict{objstore.Rejected, objstore.NoObject, "there is no such object"}
		case "locate", "list":
			return verdict{objstore.Rejected, objstore.NoBucket, "bucket %b does not exist (or is in another account)"}
		}
		return verdict{objstore.Rejected, objstore.BadRequest, "nothing is there: is the endpoint an S3 store, and the bucket in it?"}
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return verdict{objstore.Rejected, objstore.WrongRegion, "bucket %b must be addressed in another region or at another endpoint"}
	case http.StatusRequestTimeout:
		return verdict{objstore.Ambiguous, objstore.Unknown, "the store got tired of waiting for the bytes"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return verdict{objstore.Ambiguous, objstore.Throttled, "the store is busy"}
	case http.StatusInsufficientStorage:
		return verdict{objstore.Ambiguous, objstore.NoSpace, "the store has no space left"}
	case http.StatusRequestEntityTooLarge:
		return verdict{objstore.Rejected, objstore.BadRequest, "the object is too large for the store"}
	case http.StatusNotImplemented:
		return verdict{objstore.Rejected, objstore.BadRequest, "the store cannot do this"}
	}
	if status >= 300 && status < 500 {
		return verdict{objstore.Rejected, objstore.BadRequest, "the store refuses the request"}
	}
	return verdict{objstore.Ambiguous, objstore.Unknown, "the store failed: it may or may not have happened"}
}
