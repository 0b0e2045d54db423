package awsauth

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Times of a role's temporary credentials.
const (
	sessionLength  = time.Hour        // asked for; every role allows it, chained ones no more
	refreshEarly   = 5 * time.Minute  // before they end, at most; a third of their life if that is less
	refreshPause   = 30 * time.Second // after a failed refresh, while the old ones still hold
	assumeTimeout  = 20 * time.Second
	refreshTimeout = 5 * time.Second  // likewise, but with others to fall back on
	youngSession   = 10 * time.Second // so soon after the role was assumed, doing so again changes nothing
)

// Session keeps the temporary credentials of an assumed role: they are fetched
// when first needed, renewed before they end, and dropped when a service no
// longer takes them. A renewal that fails while the old ones hold is put off,
// so that STS being away for a while stops no delivery. Nothing runs in the
// background: whoever needs credentials fetches them, the others wait.
//
// It is an aws.CredentialsProvider of its own and not the SDK's cache, which
// treats a failed renewal as the end of what is still valid, goes on fetching
// after its caller has given up, and asks again at once after every failure.
type Session struct {
	// Now is the clock. Tests set another one before the first call.
	Now func() time.Time

	assume func(context.Context) (aws.Credentials, error)

	lock chan struct{} // holds one token; a lock that gives up with a context

	mu      sync.Mutex // guards what follows; held for moments
	held    aws.Credentials
	since   time.Time // when held was fetched; zero: nothing is held
	retryAt time.Time // no renewal before it
	before  [2]string // the secret and the token of the session before
}

// ErrEnded is the fault of a clock: ours, or that of STS.
var ErrEnded = errors.New("STS gave credentials that have ended already: is the clock of this machine right?")

func newSession(assume func(context.Context) (aws.Credentials, error)) *Session {
	s := &Session{assume: assume, Now: time.Now, lock: make(chan struct{}, 1)}
	s.lock <- struct{}{}
	return s
}

// Retrieve implements aws.CredentialsProvider. Its errors are *AssumeError.
func (s *Session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c, fresh := s.current(); fresh {
		return c, nil
	}
	select {
	case <-s.lock:
	case <-ctx.Done():
		return aws.Credentials{}, &AssumeError{Err: context.Cause(ctx)}
	}
	defer func() { s.lock <- struct{}{} }()
	old, fresh := s.current()
	if fresh { // by the one before us
		return old, nil
	}
	limit := assumeTimeout
	if old.HasKeys() {
		limit = refreshTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("STS took too long"))
	defer cancel()
	c, err := s.assume(ctx)
	if err == nil && c.CanExpire && !s.Now().Before(c.Expires) {
		err = &AssumeError{Err: ErrEnded}
	}
	if err == nil {
		s.keep(c)
		return c, nil
	}
	if old.HasKeys() {
		s.putOff()
		return old, nil
	}
	return aws.Credentials{}, err
}

// current returns the credentials if they still hold, and whether there is no
// need to renew them.
func (s *Session) current() (c aws.Credentials, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if s.since.IsZero() || s.held.CanExpire && !now.Before(s.held.Expires) {
		return aws.Credentials{}, false
	}
	if !s.held.CanExpire {
		return s.held, true
	}
	early := min(refreshEarly, s.held.Expires.Sub(s.since)/3)
	return s.held, now.Before(s.held.Expires.Add(-early)) || now.Before(s.retryAt)
}

func (s *Session) keep(c aws.Credentials) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = [2]string{s.held.SecretAccessKey, s.held.SessionToken}
	s.held, s.since, s.retryAt = c, s.Now(), time.Time{}
}

func (s *Session) putOff() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retryAt = s.Now().Add(refreshPause)
}

// Drop forgets the credentials, because a service refused them in a call that
// began at a given time, and reports whether the next call will use others.
// Those fetched since then have not been refused. One that only says
// "denied" may mean the role's permissions as they are, so then young
// credentials stay: one question to STS for each refusal is enough.
func (s *Session) Drop(began time.Time, denied bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case denied && s.Now().Sub(s.since) < youngSession:
		return false
	case s.since.IsZero() || s.since.After(began):
		return true
	}
	s.since = time.Time{}
	return true
}

// Secrets returns what must not be shown: of this session and the one before,
// as an answer may be late.
func (s *Session) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []string{s.held.SecretAccessKey, s.held.SessionToken, s.before[0], s.before[1]}
}
