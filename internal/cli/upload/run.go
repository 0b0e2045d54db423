package upload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// run is one call of Run.
type run struct {
	opts  Options
	store store

	// Known from the first file on.
	target string
	keys   keyWindow
	group  string // of the files that are in while others are not; empty until there is one

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
	return (&run{opts: o, store: store{dir: o.StateDir}}).all(ctx, files)
}

func (r *run) all(ctx context.Context, files []string) (Result, error) {
	enc, err := newEncoder(r.opts.Encoding)
	if err != nil {
		return Result{}, err
	}
	r.store.sweep(wallClock())
	done, err := r.files(ctx, enc, files)
	if err == nil && r.opts.Report != nil {
		err = r.opts.Report(r.total)
	}
	if err == nil {
		err = r.store.commit(r.group, done)
	}
	return r.total, errors.Join(err, enc.close())
}

// files sends the files and returns those whose states are to be forgotten.
func (r *run) files(ctx context.Context, enc *encoder, files []string) ([]identity, error) {
	var done []identity
	seen := map[string]bool{}
	for _, name := range files {
		if seen[name] {
			return nil, problem.New(problem.Invalid, "%s is named twice", name)
		}
		seen[name] = true
		id, err := r.file(ctx, enc, name, len(files) > 1)
		if err != nil {
			return nil, err
		}
		done = append(done, id)
	}
	return done, nil
}

// file sends one file. Among several its state is marked when it is in.
func (r *run) file(ctx context.Context, enc *encoder, name string, several bool) (id identity, err error) {
	in, err := open(name, r.opts.Stdin)
	if err != nil {
		return identity{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := r.look(ctx); err != nil {
		return identity{}, err
	}
	id = identity{Target: r.target, Path: in.path, Size: in.size, MTime: in.mtime.UTC()}
	st, err := r.session(in, id)
	if err != nil {
		return id, err
	}
	r.total.Events += st.Events
	r.total.Bytes += st.Low.Offset
	if st.Group != "" {
		r.opts.Say(fmt.Sprintf("%s is in already, sent by the interrupted command (--restart sends it again)", name))
	} else if err := r.rest(ctx, enc, in, st); err != nil {
		return id, err
	}
	if !several || !in.resumable() {
		return id, nil
	}
	return id, r.mark(st)
}

// look asks once where the files go.
func (r *run) look(ctx context.Context) error {
	if r.target != "" {
		return nil
	}
	var mu sync.Mutex // nothing else runs yet
	var t Target
	err := Retry(ctx, r.opts.RetryFor, r.waiting(&mu), func(ctx context.Context) error {
		var err error
		t, err = r.opts.Target(ctx)
		return FinalIfRefused(err)
	})
	if err != nil {
		return err
	}
	if t.KeyWindow == 0 {
		t.KeyWindow = DefaultKeyWindow
	}
	r.target, r.keys = t.ID, keyWindow(t.KeyWindow)
	return nil
}

// rest sends what is not known to be in of one file.
func (r *run) rest(ctx context.Context, enc *encoder, in *input, st *state) error {
	if err := in.start(st.Low.Offset); err != nil {
		return err
	}
	if st.Low.Offset > 0 {
		r.opts.Say(fmt.Sprintf("resuming %s at %s", in.name, share(in, st)))
	}
	p := &pipeline{run: r, in: in, enc: enc, win: newWindow(st), state: st, saved: time.Now()}
	err := p.send(ctx)
	if err != nil && in.resumable() && ctx.Err() != nil {
		err = fmt.Errorf("interrupted; the same command goes on from here: %w", err)
	}
	return err
}

// mark notes that a whole file is in, as one of this run's files. One that an
// earlier run marked joins them, so that one step can forget them all.
func (r *run) mark(st *state) error {
	if r.group == "" {
		g, err := r.store.newGroup()
		if err != nil {
			return err
		}
		r.group = g
	}
	st.Group = r.group
	return r.store.save(st)
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
