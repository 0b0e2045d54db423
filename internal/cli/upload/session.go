package upload

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"strm/internal/problem"
)

// session finds or begins the session of a file.
func (r *run) session(in *input, id identity) (*state, error) {
	name, err := randomName()
	if err != nil {
		return nil, err
	}
	now := wallClock().UTC()
	fresh := &state{Version: stateVersion, Session: name, identity: id, LowAt: now, Window: r.keys}
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
		if old, err = r.store.create(fresh); err != nil {
			return nil, err
		}
	}
	old.Window = min(old.Window, r.keys)
	if old.Group == "" && old.Low.Offset < old.Reach && !old.Window.safe(old.LowAt, now, old.Window.retryFor(r.opts.RetryFor)) {
		return nil, staleError(in.name, old.Low, old.LowAt, old.Window)
	}
	return old, nil
}

// staleError refuses to send again what may be counted twice.
func staleError(name string, from mark, sent time.Time, w keyWindow) error {
	return problem.New(problem.Conflict, "%s: lines from %d on were first sent at %s, and the server knows for %s only which events it has. "+
		"Sending them again could count some twice. Use --restart to send the whole file anew",
		name, from.Lines+1, sent.UTC().Format(time.RFC3339), time.Duration(w))
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
