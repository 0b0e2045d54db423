package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

// Error is an answer of the server that is not a success. It travels inside a
// problem.Error of the same kind.
type Error struct {
	Problem    apiv1.Problem
	RetryAfter time.Duration // as the server asked; 0 when it did not
}

// Error returns the server's explanation.
func (e *Error) Error() string {
	switch {
	case e.Problem.Detail != "":
		return e.Problem.Detail
	case e.Problem.Title != "":
		return e.Problem.Title
	default:
		return fmt.Sprintf("the server answered with status %d", e.Problem.Status)
	}
}

// UnreachableError means that no whole answer came: the request may or may not
// have been carried out.
type UnreachableError struct {
	Server string
	Err    error
}

// Error names the server and the cause.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no answer from the server at %s: %s", e.Server, cause(e.Err))
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Refused reports whether nobody listens at the address, so that nothing was
// sent.
func (e *UnreachableError) Refused() bool { return errors.Is(e.Err, syscall.ECONNREFUSED) }

// Timeout reports whether waiting was given up.
func (e *UnreachableError) Timeout() bool {
	var ne net.Error
	return errors.Is(e.Err, context.DeadlineExceeded) || errors.As(e.Err, &ne) && ne.Timeout()
}

// unreachable wraps a transport error, but lets the caller's own cancellation
// through untouched.
func unreachable(ctx context.Context, server string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return &UnreachableError{Server: server, Err: err}
}

// cause drops the method and URL that net/http puts before the reason.
func cause(err error) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "waited too long"
	}
	return err.Error()
}

// maxProblem bounds what is read of an error answer.
const maxProblem = 1 << 20

// errorOf reads an error answer. A body that is no problem document (from a
// proxy, say) is shown by its first line.
func errorOf(res *http.Response) error {
	e := &Error{RetryAfter: retryAfter(res.Header.Get("Retry-After"), time.Now())}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil {
		b = nil // the status still tells
	}
	if json.Unmarshal(b, &e.Problem) != nil || e.Problem.Detail == "" && e.Problem.Title == "" {
		e.Problem = apiv1.Problem{Detail: fmt.Sprintf("the server answered %s", res.Status)}
		if line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n"); line != "" && len(line) < 300 {
			e.Problem.Detail += ": " + line
		}
	}
	e.Problem.Status = res.StatusCode
	return &problem.Error{Kind: kindOf(e.Problem), Err: e}
}

// kindOf takes the kind the server names, else what the status means.
func kindOf(p apiv1.Problem) problem.Kind {
	for k := problem.Internal; k <= problem.Unavailable; k++ {
		if p.Kind == k.String() {
			return k
		}
	}
	switch p.Status {
	case http.StatusUnauthorized:
		return problem.Unauthorized
	case http.StatusForbidden:
		return problem.Forbidden
	case http.StatusNotFound:
		return problem.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return problem.Conflict
	case http.StatusRequestEntityTooLarge:
		return problem.TooLarge
	case http.StatusTooManyRequests:
		return problem.Busy
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return problem.Unavailable
	}
	if p.Status >= 400 && p.Status < 500 {
		return problem.Invalid
	}
	return problem.Internal
}

// retryAfter reads the header's two forms: seconds and a date.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}
