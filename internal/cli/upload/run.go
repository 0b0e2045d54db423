package upload

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// run is one call of Run.
type run struct {
	opts  Options
	store store

	// Guarded by the mutex of the pipeline at work; there is one at a time.
	total    Result
	fresh    int64
	answered bool // the server has been reached once
	said     time.Time
}

// Run sends the files one after the other and returns what the stream holds of
// them. After an error the same call goes on where this one ended; the result
// then tells how far it came.
func Run(ctx context.Context, o Options, files []string) (Result, error) {
	r := &run{opts: o, store: store{dir: o.StateDir}}
	enc, err := newEncoder(o.Encoding)
	if err != nil {
		return Result{}, err
	}
	var done []identity
	seen := map[string]bool{}
	for i, name := range files {
		if seen[name] {
			err = problem.New(problem.Invalid, "%s is named twice", name)
			break
		}
		seen[name] = true
		var id identity
		id, err = r.file(ctx, enc, name, i < len(files)-1)
		if err != nil {
			break
		}
		done = append(done, id)
	}
	if err == nil {
		// Crash among these: the next run finds the rest marked as done.
		for _, id := range done {
			err = errors.Join(err, r.store.remove(id))
		}
	}
	return r.total, errors.Join(err, enc.close())
}

// file sends one file. With keep its state stays, marked as done, until the
// files after it are in too.
func (r *run) file(ctx context.Context, enc *encoder, name string, keep bool) (id identity, err error) {
	in, err := open(name, r.opts.Stdin)
	if err != nil {
		return identity{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	id = identity{Server: r.opts.Server, Stream: r.opts.Stream, Path: in.path, Size: in.size, MTime: in.mtime.UTC()}
	st, err := r.session(in, id)
	if err != nil {
		return id, err
	}
	r.total.Events += st.Events
	r.total.Bytes += st.Low.Offset
	if st.Done {
		r.opts.Say(fmt.Sprintf("%s is in already, sent by the interrupted command (--restart sends it again)", name))
		return id, nil
	}
	if err := in.start(st.Low.Offset); err != nil {
		return id, err
	}
	if st.Low.Offset > 0 {
		r.opts.Say(fmt.Sprintf("resuming %s at %s", name, share(in, st)))
	}
	p := &pipeline{run: r, in: in, enc: enc, win: newWindow(st.Low, st.Events), state: st, saved: time.Now()}
	if err := p.send(ctx); err != nil {
		if in.resumable() && ctx.Err() != nil {
			err = fmt.Errorf("interrupted; the same command goes on from here: %w", err)
		}
		return id, err
	}
	if !keep || !in.resumable() {
		return id, nil
	}
	st.Done = true
	return id, r.store.save(st)
}

// session finds or begins the session of a file.
func (r *run) session(in *input, id identity) (*state, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, fmt.Errorf("session id: %w", err)
	}
	now := time.Now().UTC()
	fresh := &state{Version: stateVersion, Session: hex.EncodeToString(b[:]), identity: id, LowAt: now}
	if !in.resumable() {
		return fresh, nil
	}
	if r.opts.Restart {
		if err := r.forget(id); err != nil {
			return nil, err
		}
	}
	old, err := r.store.load(id)
	if err != nil {
		return nil, err
	}
	if old == nil {
		ch, err := r.store.changed(id)
		if err != nil {
			return nil, err
		}
		if ch != nil {
			return nil, changedError(in.name, r.opts.Stream, ch)
		}
		// The session is on disk before the first chunk leaves.
		return r.store.create(fresh)
	}
	if old.expired(now) {
		return nil, problem.New(problem.Conflict, "%s: an earlier send of it stopped at %s, more than 24 hours ago (%d events were accepted). "+
			"The server no longer knows which later events it has, so going on could count some twice. "+
			"Use --restart to send the whole file anew", in.name, old.LowAt.UTC().Format(time.RFC3339), old.Events)
	}
	return old, nil
}

// forget removes the state of the file, and of the file as it was before.
func (r *run) forget(id identity) error {
	if err := r.store.remove(id); err != nil {
		return err
	}
	for {
		ch, err := r.store.changed(id)
		if err != nil || ch == nil {
			return err
		}
		if err := r.store.remove(ch.identity); err != nil {
			return err
		}
	}
}

// changedError explains what a person can do when the file is no longer what
// an unfinished send began with.
func changedError(name, streamName string, s *state) error {
	var runs, gaps []string
	next := int64(1)
	for _, l := range s.Accepted {
		runs = append(runs, fmt.Sprintf("%d-%d", l.From, l.To))
		if next < l.From {
			gaps = append(gaps, fmt.Sprintf("%d,%dp", next, l.From-1))
		}
		next = l.To + 1
	}
	gaps = append(gaps, fmt.Sprintf("%d,$p", next))
	got := "no line"
	if len(runs) > 0 {
		got = "its lines " + strings.Join(runs, ", ")
	}
	cat := "cat"
	switch strings.ToLower(filepath.Ext(name)) {
	case ".gz":
		cat = "zcat"
	case ".zst":
		cat = "zstdcat"
	}
	return problem.New(problem.Conflict, "%s has changed since a send of it stopped, which got %s accepted. "+
		"If those lines are still the same, send the others: %s %s | sed -n '%s' | strm send %s - . "+
		"If the file is another one by now, or its events may count twice, use --restart to send all of it",
		name, got, cat, name, strings.Join(gaps, ";"), streamName)
}

func share(in *input, st *state) string {
	if in.size > 0 && in.read.Load() > 0 {
		return fmt.Sprintf("%d %%", in.read.Load()*100/in.size)
	}
	return fmt.Sprintf("line %d", st.Low.Lines+1)
}

// accepted counts. The caller holds the pipeline's mutex.
func (r *run) accepted(in *input, events, size int64) {
	r.total.Events += events
	r.total.Bytes += size
	r.fresh += events
	if r.opts.Progress != nil {
		r.opts.Progress(Progress{
			File: in.name, Read: in.read.Load(), Size: in.size, Begun: in.begun, Events: r.total.Events, Bytes: r.total.Bytes, Fresh: r.fresh,
		})
	}
}

// judge makes a refused connection final as long as the server has never been
// reached: then it does not run, rather than being restarted.
func (r *run) judge(mu *sync.Mutex, err error) error {
	mu.Lock()
	defer mu.Unlock()
	var u *apiclient.UnreachableError
	if !errors.As(err, &u) {
		r.answered = true
	}
	if r.answered {
		return err
	}
	return FinalIfRefused(err)
}

// FinalIfRefused makes Retry give up on a refused connection.
func FinalIfRefused(err error) error {
	var u *apiclient.UnreachableError
	if errors.As(err, &u) && u.Refused() {
		return &finalError{err}
	}
	return err
}

// finalError hides an error's kind from Retry, but not from the caller.
type finalError struct{ err error }

// Error returns the text of the error inside.
func (e *finalError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *finalError) Unwrap() error { return e.err }

// sayEvery bounds how often waiting is reported; many requests wait at once.
const sayEvery = 2 * time.Second

// waiting returns what reports a wait.
func (r *run) waiting(mu *sync.Mutex) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(r.said) >= sayEvery {
			r.said = now
			r.opts.Say(fmt.Sprintf("%v; trying again in %s", err, wait.Round(100*time.Millisecond)))
		}
	}
}
