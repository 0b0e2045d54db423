package airbyte

import (
	"math"
	"time"

	"strm/internal/airbyte/protocol"
	"strm/internal/problem"
)

// Records are numbered from 0 in the order they come. A state's number is that
// of the next record: it is due once no record with a lower one waits.

// waiting is a state that cannot go back yet.
type waiting struct {
	state   protocol.State
	seq     int64 // number of records before it
	records int64 // of its interval
	since   time.Time
}

// tracker knows which states may go back. It does no I/O.
type tracker struct {
	streams []*stream
	kind    stateKind
	global  []waiting // GLOBAL and LEGACY states, in order of arrival
	records int64     // since the newest of them
	waits   int       // states in all queues
	bytes   int64     // of them
}

// stateKind is whether states are about one stream or about all.
type stateKind uint8

const (
	noStates stateKind = iota
	statesOfStreams
	statesOfAll
)

// took notes a record of s.
func (t *tracker) took(s *stream) {
	s.sinceState++
	t.records++
}

// wait queues a state; s is its stream, or nil. The line is copied.
func (t *tracker) wait(st protocol.State, s *stream, seq int64, now time.Time) error {
	kind := statesOfAll
	if st.Type == protocol.PerStream {
		kind = statesOfStreams
	}
	if t.kind != noStates && t.kind != kind {
		return problem.New(problem.Invalid, "the source mixes states of single streams (STREAM) with states of all (GLOBAL, LEGACY): what they cover cannot be told")
	}
	t.kind = kind
	st.Line = append([]byte(nil), st.Line...)
	w := waiting{state: st, seq: seq, since: now}
	if s != nil {
		w.records, s.sinceState = s.sinceState, 0
		s.states = append(s.states, w)
	} else {
		w.records, t.records = t.records, 0
		t.global = append(t.global, w)
	}
	t.waits++
	t.bytes += int64(len(st.Line))
	return nil
}

// due takes the states out that may go back: those of s, and those of all.
func (t *tracker) due(s *stream) []waiting {
	var out []waiting
	if s != nil {
		n, first := 0, s.firstUnstored()
		for n < len(s.states) && s.states[n].seq <= first {
			n++
		}
		out, s.states = append(out, s.states[:n]...), s.states[n:]
	}
	if len(t.global) > 0 {
		first := int64(math.MaxInt64)
		for _, s := range t.streams {
			first = min(first, s.firstUnstored())
		}
		n := 0
		for n < len(t.global) && t.global[n].seq <= first {
			n++
		}
		out, t.global = append(out, t.global[:n]...), t.global[n:]
	}
	t.waits -= len(out)
	for _, w := range out {
		t.bytes -= int64(len(w.state.Line))
	}
	return out
}

// overdue calls flush for every stream whose open chunk holds back a state
// since before the time given.
func (t *tracker) overdue(before time.Time, flush func(*stream)) {
	if t.waits == 0 {
		return
	}
	all := int64(-1) // number of the newest overdue state of all
	for _, w := range t.global {
		if !w.since.After(before) {
			all = w.seq
		}
	}
	for _, s := range t.streams {
		seq := all
		for _, w := range s.states {
			if !w.since.After(before) {
				seq = max(seq, w.seq)
			}
		}
		if s.open != nil && s.open.first < seq {
			flush(s)
		}
	}
}

// firstUnstored returns the number of the first record that is in no object
// yet; the largest number if there is none.
func (s *stream) firstUnstored() int64 {
	first := int64(math.MaxInt64)
	if s.open != nil {
		first = s.open.first
	}
	for _, c := range s.moving {
		first = min(first, c.first)
	}
	return first
}
