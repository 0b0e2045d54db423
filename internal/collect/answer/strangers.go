package answer

import (
	"context"
	"net/http"
	"time"

	"golang.org/x/sync/semaphore"

	"strm/internal/collect/body"
	"strm/internal/problem"
)

// The share of strangers, and how long one waits for room in it.
const (
	strangersShare = 16 << 20
	strangersWait  = 5 * time.Second
)

// Strangers is the memory that bodies may hold while they arrive of whom it is
// not known who sends them: the key is in the body. Without a bound of their own, a few hundred
// connections that send nothing more would leave no memory to anybody. It is
// safe for concurrent use.
type Strangers struct{ sem *semaphore.Weighted }

// NewStrangers returns a share that nobody holds yet.
func NewStrangers() *Strangers { return &Strangers{semaphore.NewWeighted(strangersShare)} }

// Admit waits for room for the beginning of the request's body. leave is called
// once, when the body has come.
func (s *Strangers) Admit(r *http.Request) (leave func(), rf *Refusal) {
	n := body.First(r)
	ctx, cancel := context.WithTimeout(r.Context(), strangersWait)
	defer cancel()
	if err := s.sem.Acquire(ctx, n); err != nil {
		return nil, &Refusal{Status: http.StatusTooManyRequests, Kind: problem.Busy, Code: "busy", RetryAfter: 1, Cause: err,
			Message: "too many requests without a write key in their header are being read: nothing was stored, send again"}
	}
	return func() { s.sem.Release(n) }, nil
}
