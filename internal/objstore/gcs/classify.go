package gcs

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"strm/internal/objstore"
)

// call is what an error is about.
type call struct {
	op, key     string
	action      string // the permission the call needs
	conditional bool
}

// verdict is what an answer means; text is for a person, %b the bucket.
type verdict struct {
	outcome objstore.Outcome
	reason  objstore.Reason
	text    string
}

// classify turns the failure of a call into what it means for the caller. The
// rule for doubt: an answer that does not surely say "refused" is Ambiguous.
func (b *Bucket) classify(c call, err error, p *progress) *objstore.Error {
	e := &objstore.Error{Op: c.op, Key: c.key}
	var api *googleapi.Error
	words := ""
	if errors.As(err, &api) {
		e.Status, words = api.Code, api.Message
		if len(api.Errors) > 0 {
			e.Code = api.Errors[0].Reason
		}
	}
	var v verdict
	switch {
	case e.Status != 0:
		v = answered(e.Status, e.Code, words, c)
	case errors.Is(err, storage.ErrObjectNotExist):
		v = verdict{objstore.Rejected, objstore.NoObject, "there is no such object"}
	case errors.Is(err, storage.ErrBucketNotExist):
		v = verdict{objstore.Rejected, objstore.NoBucket, "bucket %b does not exist"}
	default:
		v, words = unanswered(err, p), cause(err)
	}
	e.Outcome, e.Reason = v.outcome, v.reason
	if v.reason == objstore.Denied {
		e.Action = c.action + " on gs://" + b.name
		if c.key != "" {
			e.Action += "/" + c.key
		}
	}
	text := strings.ReplaceAll(v.text, "%b", b.name)
	if words = objstore.OneLine(words); words != "" {
		text += ": " + words
	}
	e.Err = objstore.Story(text, err)
	return e
}

// unanswered judges a call that got no answer. A token comes before the
// connection, the connection before the first byte.
func unanswered(err error, p *progress) verdict {
	var te *tokenError
	switch {
	case p.connected.Load():
		return verdict{objstore.Ambiguous, objstore.Unknown, "no answer: it may or may not have happened"}
	case errors.As(err, &te):
		var ae *auth.Error
		if errors.As(err, &ae) && ae.Response != nil && ae.Response.StatusCode < 500 && ae.Response.StatusCode != http.StatusTooManyRequests {
			return verdict{objstore.NotSent, objstore.BadCredentials, "Google does not accept the service account's key: it may have been deleted or disabled"}
		}
		return verdict{objstore.NotSent, objstore.Unreachable, "no access token can be had"}
	case errors.Is(err, context.Canceled):
		return verdict{objstore.NotSent, objstore.Unknown, "given up before anything was sent"}
	}
	return verdict{objstore.NotSent, objstore.Unreachable, "the store cannot be reached"}
}

func answered(status int, code, words string, c call) verdict {
	switch status {
	case http.StatusPreconditionFailed, http.StatusNotModified:
		if c.conditional {
			return verdict{objstore.Exists, objstore.Unknown, "the key is taken"}
		}
	case http.StatusConflict:
		return verdict{objstore.Rejected, objstore.Contended, "a conflicting operation is under way"}
	case http.StatusForbidden:
		if code == "rateLimitExceeded" || code == "userRateLimitExceeded" {
			return verdict{objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"}
		}
		return verdict{objstore.Rejected, objstore.Denied, "the service account may not do this"}
	case http.StatusUnauthorized:
		return verdict{objstore.Rejected, objstore.BadCredentials, "the store does not accept the credentials"}
	case http.StatusNotFound:
		if c.op == "get" {
			return verdict{objstore.Rejected, objstore.NoObject, "there is no such object, or no bucket %b"}
		}
		return verdict{objstore.Rejected, objstore.NoBucket, "bucket %b does not exist"}
	case http.StatusRequestTimeout:
		return verdict{objstore.Ambiguous, objstore.Unknown, "the store got tired of waiting for the bytes"}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return verdict{objstore.Ambiguous, objstore.Throttled, "the store asks to slow down"}
	case http.StatusBadRequest:
		lower := strings.ToLower(words)
		switch {
		case strings.Contains(lower, "crc32c") || strings.Contains(lower, "checksum"):
			return verdict{objstore.Rejected, objstore.Damaged, "the bytes that arrived do not match their checksum"}
		case strings.Contains(lower, "object name"):
			return verdict{objstore.Rejected, objstore.BadKey, "the store cannot hold such a key"}
		case strings.Contains(lower, "kms"):
			return verdict{objstore.Rejected, objstore.BadRequest, "the bucket's encryption key (KMS) cannot be used"}
		}
	}
	if status >= 300 && status < 500 {
		return verdict{objstore.Rejected, objstore.BadRequest, "the store refuses the request"}
	}
	return verdict{objstore.Ambiguous, objstore.Unknown, "the store failed: it may or may not have happened"}
}

// cause is the innermost text worth reading of an error without an answer.
func cause(err error) string {
	var ae *auth.Error
	if errors.As(err, &ae) {
		if ae.Response != nil {
			return "the token endpoint answers " + ae.Response.Status // its body may quote the assertion
		}
		err = ae.Err
	}
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
