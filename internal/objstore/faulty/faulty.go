// Package faulty wraps a bucket and lets calls fail as a script says: lost
// requests, lost answers, refusals, stalls, crash points. What it does depends
// on the script alone, so a failing run can be repeated.
package faulty

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"

	"strm/internal/objstore"
)

// Kind says what goes wrong.
type Kind uint8

// The kinds.
const (
	None        Kind = iota // nothing goes wrong
	RequestLost             // the request never reaches the store: NotSent
	AnswerLost              // the store acts, its answer is lost: Ambiguous
	NoAnswer                // the store does not act, and nobody knows: Ambiguous
	Refused                 // the store refuses with Fault.Reason: Rejected
	Stalled                 // waits for Fault.Release (then goes on) or the context
)

// Fault is what happens to one call.
type Fault struct {
	Kind    Kind
	Reason  objstore.Reason // of Refused; Contended is the 409
	Release <-chan struct{} // of Stalled; nil waits for the context alone
}

// Decide is asked once per call: op is "put", "get", "list" or "delete", key the key
// or prefix, n counts the calls with this op and key from 0. It must not block.
type Decide func(op, key string, n int) Fault

// Hook is called at the crash points of a put or delete: before the store acts, and after
// it acted but before the caller learns of it. A test may panic or exit in it.
type Hook func(op, key string, after bool)

// ErrInjected is in the chain of every error made up here.
var ErrInjected = errors.New("injected fault")

// Bucket is the wrapped bucket. Safe for concurrent use.
type Bucket struct {
	next   objstore.Bucket
	decide Decide
	hook   Hook

	mu    sync.Mutex
	calls map[[2]string]int
}

// Wrap returns next behind a script. decide and hook may be nil.
func Wrap(next objstore.Bucket, decide Decide, hook Hook) *Bucket {
	return &Bucket{next: next, decide: decide, hook: hook, calls: map[[2]string]int{}}
}

func (b *Bucket) fault(op, key string) Fault {
	b.mu.Lock()
	n := b.calls[[2]string{op, key}]
	b.calls[[2]string{op, key}] = n + 1
	b.mu.Unlock()
	if b.decide == nil {
		return Fault{}
	}
	return b.decide(op, key, n)
}

// Calls returns how often op was called for key.
func (b *Bucket) Calls(op, key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[[2]string{op, key}]
}

// Create implements objstore.Bucket.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	f := b.fault("put", key)
	b.at("put", key, false)
	if err := before(ctx, "put", key, f); err != nil {
		return err
	}
	err := b.next.Create(ctx, key, c)
	b.at("put", key, true)
	if f.Kind == AnswerLost {
		return made("put", key, objstore.Ambiguous, objstore.Unknown)
	}
	return err
}

func (b *Bucket) at(op, key string, after bool) {
	if b.hook != nil {
		b.hook(op, key, after)
	}
}

// before returns the error of a call that does not get to the store, or nil.
func before(ctx context.Context, op, key string, f Fault) error {
	switch f.Kind {
	case None, AnswerLost:
		return nil
	case RequestLost:
		return made(op, key, objstore.NotSent, objstore.Unreachable)
	case NoAnswer:
		return made(op, key, objstore.Ambiguous, objstore.Unknown)
	case Refused:
		return made(op, key, objstore.Rejected, f.Reason)
	case Stalled:
		select {
		case <-f.Release:
			return nil
		case <-ctx.Done():
			return &objstore.Error{Op: op, Key: key, Outcome: objstore.Ambiguous, Err: errors.Join(ErrInjected, ctx.Err())}
		}
	}
	return nil
}

func made(op, key string, o objstore.Outcome, r objstore.Reason) error {
	return &objstore.Error{Op: op, Key: key, Outcome: o, Reason: r, Err: ErrInjected}
}

// Open implements objstore.Reader, if the wrapped bucket does.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	f := b.fault("get", key)
	if err := before(ctx, "get", key, f); err != nil {
		return nil, objstore.Info{}, err
	}
	r, ok := b.next.(objstore.Reader)
	if !ok {
		return nil, objstore.Info{}, unsupported("get", key)
	}
	if f.Kind == AnswerLost {
		return nil, objstore.Info{}, made("get", key, objstore.Ambiguous, objstore.Unknown)
	}
	return r.Open(ctx, key)
}

// OpenVersion implements objstore.Versions, if the wrapped bucket does. Its op is "get".
func (b *Bucket) OpenVersion(ctx context.Context, key, versionID, etag string) (io.ReadCloser, objstore.Info, error) {
	f := b.fault("get", key)
	if err := before(ctx, "get", key, f); err != nil {
		return nil, objstore.Info{}, err
	}
	v, ok := b.next.(objstore.Versions)
	if !ok {
		return nil, objstore.Info{}, unsupported("get", key)
	}
	if f.Kind == AnswerLost {
		return nil, objstore.Info{}, made("get", key, objstore.Ambiguous, objstore.Unknown)
	}
	return v.OpenVersion(ctx, key, versionID, etag)
}

// Stat implements objstore.Stater, if the wrapped bucket does. Its op is "get".
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Info, error) {
	f := b.fault("get", key)
	if err := before(ctx, "get", key, f); err != nil {
		return objstore.Info{}, err
	}
	s, ok := b.next.(objstore.Stater)
	if !ok {
		return objstore.Info{}, unsupported("get", key)
	}
	if f.Kind == AnswerLost {
		return objstore.Info{}, made("get", key, objstore.Ambiguous, objstore.Unknown)
	}
	return s.Stat(ctx, key)
}

// Delete implements objstore.Deleter, if the wrapped bucket does.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	f := b.fault("delete", key)
	b.at("delete", key, false)
	if err := before(ctx, "delete", key, f); err != nil {
		return err
	}
	d, ok := b.next.(objstore.Deleter)
	if !ok {
		return unsupported("delete", key)
	}
	err := d.Delete(ctx, key)
	b.at("delete", key, true)
	if f.Kind == AnswerLost {
		return made("delete", key, objstore.Ambiguous, objstore.Unknown)
	}
	return err
}

// List implements objstore.Lister, if the wrapped bucket does.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		f := b.fault("list", prefix)
		err := before(ctx, "list", prefix, f)
		if err == nil && f.Kind == AnswerLost {
			err = made("list", prefix, objstore.Ambiguous, objstore.Unknown)
		}
		l, ok := b.next.(objstore.Lister)
		if err == nil && !ok {
			err = unsupported("list", prefix)
		}
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		l.List(ctx, prefix)(yield)
	}
}

func unsupported(op, key string) error {
	return &objstore.Error{Op: op, Key: key, Outcome: objstore.NotSent, Reason: objstore.BadRequest,
		Err: errors.New("the wrapped bucket cannot do this")}
}
