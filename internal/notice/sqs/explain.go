package sqs

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"strm/internal/awsauth"
	"strm/internal/notice"
	"strm/internal/problem"
)

// badCredentials are the codes for credentials that are no good, whatever they
// may do.
var badCredentials = map[string]bool{
	"InvalidClientTokenId": true, "UnrecognizedClientException": true, "InvalidAccessKeyId": true, "SignatureDoesNotMatch": true,
	"InvalidSignatureException": true, "ExpiredToken": true, "ExpiredTokenException": true, "InvalidSecurity": true, "MissingAuthenticationToken": true,
	"IncompleteSignature": true, "InvalidToken": true,
}

// explain says what a failed call means, and has the role's session renewed where
// it may be at fault. All of it may mend itself or be mended, so the kind is
// always Unavailable: the caller tries again.
func (p *Poller) explain(ctx context.Context, action string, began time.Time, err error) error {
	status, code, words := answer(err)
	words = notice.OneLine(p.identity.Hide(words))
	if words != "" {
		words = ": " + words
	}
	var role *awsauth.AssumeError
	switch {
	case errors.As(err, &role) && (code == "AccessDenied" || code == "AccessDeniedException"):
		return told(err, "missing permission sts:AssumeRole on %s (or its trust policy or the external id does not fit)%s", p.roleARN, words)
	case errors.As(err, &role):
		return told(err, "the role %s cannot be assumed%s", p.roleARN, words)
	case status == 0 && context.Cause(ctx) != nil:
		return told(err, "ask the queue: %s", context.Cause(ctx).Error())
	case status == 0:
		return told(err, "ask the queue%s", words)
	case badCredentials[code]:
		p.drop(began, false)
		return told(err, "the credentials are not accepted (%s)%s", code, words)
	case code == "KmsAccessDenied":
		return told(err, "missing permission kms:Decrypt on the queue's key%s", words)
	case code == "AccessDenied", code == "AccessDeniedException", code == "" && status == http.StatusForbidden:
		p.drop(began, true)
		return told(err, "missing permission %s on %s%s", action, p.name(), words)
	case code == "QueueDoesNotExist", code == "AWS.SimpleQueueService.NonExistentQueue":
		return told(err, "there is no queue %s, or the credentials may not see it", p.name())
	case code == "RequestThrottled", code == "ThrottlingException", code == "Throttling", status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return told(err, "the queue asks to slow down%s", words)
	case code == "":
		return told(err, "the queue answers with status %d: is it SQS?", status)
	}
	return told(err, "%s: %s (status %d)%s", action, notice.OneLine(code), status, words)
}

// name is the queue's ARN, or else its URL.
func (p *Poller) name() string {
	if p.at.ARN != "" {
		return p.at.ARN
	}
	return p.queue
}

func (p *Poller) drop(began time.Time, denied bool) {
	if p.identity.Session != nil {
		p.identity.Session.Drop(began, denied) // the next round asks for another one
	}
}

// answer returns what the service said, or the innermost words if nobody answered.
func answer(err error) (status int, code, words string) {
	var re *awshttp.ResponseError
	if errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		status = re.HTTPStatusCode()
	}
	var api smithy.APIError
	if status != 0 && errors.As(err, &api) {
		if code = api.ErrorCode(); code == "UnknownError" {
			code = ""
		}
		return status, code, api.ErrorMessage()
	}
	var u *url.Error
	if errors.As(err, &u) {
		return status, "", u.Err.Error()
	}
	var role *awsauth.AssumeError
	if errors.As(err, &role) {
		err = role.Err
	}
	var op *smithy.OperationError
	for errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return status, "", err.Error()
}

// story is an error with our words, whose cause can be found but is not shown:
// the SDK's texts repeat themselves and can hold what was sent.
type story struct {
	text  error
	cause error
}

func (s *story) Error() string   { return s.text.Error() }
func (s *story) Unwrap() []error { return []error{s.text, s.cause} }

func told(cause error, format string, args ...any) error {
	return &story{text: problem.New(problem.Unavailable, format, args...), cause: cause}
}
