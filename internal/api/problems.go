package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

// retryAfter is what a Busy answer asks for, in seconds.
const retryAfter = "1"

// statusOf is the one place where a kind becomes an HTTP status.
func statusOf(k problem.Kind) int {
	switch k {
	case problem.Invalid:
		return http.StatusBadRequest
	case problem.Unauthorized:
		return http.StatusUnauthorized
	case problem.Forbidden:
		return http.StatusForbidden
	case problem.NotFound:
		return http.StatusNotFound
	case problem.Conflict:
		return http.StatusConflict
	case problem.TooLarge:
		return http.StatusRequestEntityTooLarge
	case problem.Busy:
		return http.StatusTooManyRequests
	case problem.Unavailable:
		return http.StatusServiceUnavailable
	case problem.Corrupt, problem.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// failure is an error on its way out. It is what huma asks of an error that
// brings its own body, status and headers.
type failure struct {
	apiv1.Problem
	header http.Header
}

func (f *failure) Error() string             { return f.Detail }
func (f *failure) GetStatus() int            { return f.Status }
func (f *failure) GetHeaders() http.Header   { return f.header }
func (f *failure) ContentType(string) string { return apiv1.ProblemType }

func newFailure(k problem.Kind, detail string) *failure {
	f := &failure{Problem: apiv1.NewProblem(statusOf(k), k.String(), detail), header: http.Header{}}
	if k == problem.Unauthorized {
		f.header.Set("WWW-Authenticate", `Bearer realm="strm"`)
	}
	if k == problem.Busy {
		f.header.Set("Retry-After", retryAfter)
	}
	return f
}

// failureOf turns an error into what the caller may see. A fault of ours is
// logged with a reference, and only the reference goes out: nobody has checked
// what such a text holds.
func (s *server) failureOf(ctx context.Context, what string, err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	kind := problem.KindOf(err)
	if kind == problem.Internal && errors.Is(err, context.Canceled) {
		return newFailure(problem.Unavailable, "the request ended before it was done")
	}
	if kind != problem.Internal {
		return newFailure(kind, err.Error())
	}
	ref := reference()
	s.Logger.LogAttrs(ctx, slog.LevelError, "request failed",
		slog.String("request", what), slog.String("reference", ref), slog.String("error", err.Error()))
	f = newFailure(problem.Internal, "internal error; the server's log says more under reference "+ref)
	f.Reason = ref
	return f
}

func reference() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process rather than return an error
	return hex.EncodeToString(b[:])
}

// refuse writes an error where huma is not at work.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.failureOf(r.Context(), r.Method+" "+r.URL.Path, err).write(w)
}

func (f *failure) write(w http.ResponseWriter) {
	for k, v := range f.header {
		w.Header()[k] = v
	}
	f.Write(w)
}

// orProblem answers for what the mux does not know, in the shape of all errors.
func (s *server) orProblem(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusProbe{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		if allow := probe.header.Get("Allow"); allow != "" {
			f := newFailure(problem.Invalid, r.Method+" is not allowed here; use "+allow)
			f.Status, f.Title = http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed)
			f.header.Set("Allow", allow)
			f.write(w)
			return
		}
		s.refuse(w, r, problem.New(problem.NotFound, "there is nothing at %s", strings.ToValidUTF8(r.URL.Path, "?")))
	})
}

// statusProbe takes the mux's own plain-text answer and keeps its headers.
type statusProbe struct{ header http.Header }

func (p *statusProbe) Header() http.Header         { return p.header }
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusProbe) WriteHeader(int)             {}
