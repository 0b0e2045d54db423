package s3

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"

	"strm/internal/objstore"
)

// story tells what happened, in our words first, then in the store's.
func (b *Bucket) story(v verdict, err error, api smithy.APIError) error {
	words := message(api)
	if api == nil {
		words = root(err)
	}
	text := strings.ReplaceAll(v.text, "%b", b.cfg.Bucket)
	if words = b.clean(words); words != "" {
		if text != "" {
			text += ": "
		}
		text += words
	}
	return objstore.Story(text, err)
}

// message returns the store's own words.
func message(api smithy.APIError) string {
	if api == nil {
		return ""
	}
	return api.ErrorMessage()
}

// root returns the innermost text worth reading of an error without an answer.
func root(err error) string {
	for _, known := range []error{context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err.Error()
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// clean makes foreign words fit to show: one line, short, without our secrets.
func (b *Bucket) clean(s string) string {
	return objstore.OneLine(b.identity.Hide(s))
}
