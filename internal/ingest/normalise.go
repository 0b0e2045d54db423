package ingest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"unicode/utf8"

	"strm/internal/jsontoken"
	"strm/internal/problem"
)

// Form says how the events stand in a body.
type Form uint8

// The forms. In all but FormArray objects follow each other, divided by white
// space or nothing, and may span lines.
const (
	FormAuto   Form = iota // FormArray if the first byte is '[', else FormNDJSON
	FormNDJSON             // objects, usually one a line
	FormArray              // one JSON array of objects
	FormOne                // exactly one object
)

// work is what one request needs while it is normalised. It is pooled.
type work struct {
	out     []byte // the normalised events, when they are not the body itself
	scratch []byte // one event without its white space
	meta    metaWriter
	o       outline

	maxEvent, maxOut int
	ctx              context.Context
	res              *Reservation
	charged          int // out may grow to this before more is reserved

	// A run of events that stand in the body exactly as they are to be stored,
	// body[from:to]; to is one past the last line's '\n' unless open.
	from, to int
	open     bool // the last line of the run still lacks its '\n'
	events   int
}

// keepBuffer is the largest buffer that goes back to the pool.
const keepBuffer = 4 << 20

func newWork() *work {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the program instead
	return &work{meta: metaWriter{nonces: mathrand.NewChaCha8(seed)}}
}

func (w *work) reset() {
	if cap(w.out) > keepBuffer {
		w.out = nil
	}
	if cap(w.scratch) > keepBuffer {
		w.scratch = nil
	}
	w.out, w.scratch = w.out[:0], w.scratch[:0]
	w.ctx, w.res = nil, nil
	w.from, w.to, w.open, w.events = 0, 0, false, 0
}

// normalise checks every event of body and returns them one a line, each line
// ended by '\n'. The answer is body itself, or a part of it, wherever the
// events stand that way already; else it belongs to w. It may write a '\n'
// just behind body, within its capacity.
func (w *work) normalise(body []byte, form Form) ([]byte, error) {
	w.charged = min(2*len(body)+64<<10, w.maxOut)
	if w.meta.on {
		w.out = slices.Grow(w.out, min(len(body)+len(body)/4, w.charged))
	}
	i := 0
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		i = 3
	}
	i, line := skipBlank(body, i, 1)
	if i < len(body) && body[i] == '[' && (form == FormAuto || form == FormArray) {
		if err := w.array(body, i); err != nil {
			return nil, err
		}
	} else {
		if form == FormArray && i < len(body) {
			return nil, eventError(problem.Invalid, 1, true, "the body is not a JSON array: it begins with %q", jsontoken.FirstRune(body[i:]))
		}
		if err := w.objects(body, i, line, form == FormOne); err != nil {
			return nil, err
		}
	}
	if w.events == 0 {
		return nil, problem.New(problem.Invalid, "no events: the body is empty")
	}
	return w.finish(body), nil
}

// objects reads objects one after the other. line is where body[i] stands.
func (w *work) objects(body []byte, i, line int, one bool) error {
	for i < len(body) {
		if one && w.events == 1 {
			return eventError(problem.Invalid, line, false, "a second event: send one event per request here")
		}
		end, err := w.event(body, i, line, false)
		if err != nil {
			return err
		}
		if w.o.newline >= 0 {
			line += bytes.Count(body[i:end], newline)
		}
		i, line = skipBlank(body, end, line)
	}
	return nil
}

var newline = []byte{'\n'}

// array reads the array that begins at body[i].
func (w *work) array(body []byte, i int) error {
	i, _ = skipBlank(body, i+1, 0)
	if i < len(body) && body[i] == ']' {
		return w.afterArray(body, i+1)
	}
	for n := 1; ; n++ {
		if i >= len(body) {
			return eventError(problem.Invalid, n, true, "the array is not closed: expected an object")
		}
		end, err := w.event(body, i, n, true)
		if err != nil {
			return err
		}
		i, _ = skipBlank(body, end, 0)
		switch {
		case i >= len(body):
			return eventError(problem.Invalid, n, true, "the array is not closed: expected ',' or ']' after the event")
		case body[i] == ',':
			i, _ = skipBlank(body, i+1, 0)
		case body[i] == ']':
			return w.afterArray(body, i+1)
		default:
			return eventError(problem.Invalid, n, true, "invalid character %q after the event: expected ',' or ']'", jsontoken.FirstRune(body[i:]))
		}
	}
}

func (w *work) afterArray(body []byte, i int) error {
	if i, _ = skipBlank(body, i, 0); i < len(body) {
		return eventError(problem.Invalid, max(w.events, 1), true, "invalid character %q after the array: a body is one array, or objects", jsontoken.FirstRune(body[i:]))
	}
	return nil
}

// event checks the event that begins at body[i], takes it over, and returns
// the index after it.
func (w *work) event(body []byte, i, line int, element bool) (int, error) {
	if body[i] != '{' {
		return 0, notObject(body, i, line, element)
	}
	if fl := w.o.scan(body, i); fl != nil {
		return 0, fl.report(body, i, line, element, w.o.newline)
	}
	end := w.o.end
	if w.o.wide && !utf8.Valid(body[i:end]) {
		at := jsontoken.NotUTF8(body[i:end])
		return 0, eventError(problem.Invalid, line, element, "invalid UTF-8 at byte %d of the event (0x%02x): send text as UTF-8", at+1, body[i+at])
	}
	if err := w.take(body, i, end); err != nil {
		var m metaFlaw
		switch {
		case errors.Is(err, errEventSize):
			return 0, eventError(problem.TooLarge, line, element, "the event has %d bytes, more than the limit of %d bytes for one event", w.size(i, end), w.maxEvent)
		case errors.Is(err, errOutSize):
			return 0, eventError(problem.TooLarge, line, element, "with its strmMeta objects the request grows beyond the limit of %d bytes: send fewer events per request", w.maxOut)
		case errors.As(err, &m):
			return 0, eventError(problem.Invalid, line, element, "%s", string(m))
		}
		return 0, err
	}
	w.events++
	return end, nil
}

var (
	errEventSize = errors.New("event too large")
	errOutSize   = errors.New("request too large")
)

// size is the event's size as it is measured against the limit: without the
// white space that would be removed.
func (w *work) size(i, end int) int {
	if w.o.newline >= 0 {
		return len(w.scratch)
	}
	return end - i
}

// take appends the event body[i:end], described by w.o, to the result.
func (w *work) take(body []byte, i, end int) error {
	pretty := w.o.newline >= 0
	if pretty {
		w.scratch = jsontoken.AppendCompact(w.scratch[:0], body[i:end])
	}
	if w.size(i, end) > w.maxEvent {
		return errEventSize
	}
	switch {
	case w.meta.on:
		var err error
		if pretty {
			nl := w.o.newline
			if fl := w.o.scan(w.scratch, 0); fl != nil {
				return problem.New(problem.Internal, "compacted event is no longer JSON at byte %d", fl.at)
			}
			w.out, err = w.meta.append(w.out, w.scratch, 0, &w.o)
			w.o.newline = nl
		} else {
			w.out, err = w.meta.append(w.out, body, i, &w.o)
		}
		if err != nil {
			return err
		}
		w.out = append(w.out, '\n')
	case pretty:
		w.flush(body)
		w.out = append(w.out, w.scratch...)
		w.out = append(w.out, '\n')
	default:
		if w.to != i || w.open || w.to == w.from {
			w.flush(body)
			w.from = i
		}
		w.to, w.open = end, true
		if end < len(body) && body[end] == '\n' {
			w.to, w.open = end+1, false
		}
	}
	if len(w.out) > w.charged {
		return w.charge()
	}
	return nil
}

// charge reserves room for an output that has outgrown the body by far:
// tiny events swell when each gets a strmMeta object.
func (w *work) charge() error {
	if len(w.out) > w.maxOut {
		return errOutSize
	}
	more := min(w.charged, w.maxOut-w.charged)
	if err := w.res.Grow(w.ctx, int64(more)); err != nil {
		return err
	}
	w.charged += more
	return nil
}

// flush copies the run to out.
func (w *work) flush(body []byte) {
	if w.to == w.from {
		return
	}
	w.out = append(w.out, body[w.from:w.to]...)
	if w.open {
		w.out = append(w.out, '\n')
	}
	w.from, w.to, w.open = 0, 0, false
}

// finish returns the result, without a copy where all of it is one run.
func (w *work) finish(body []byte) []byte {
	if len(w.out) == 0 && w.to > w.from {
		if !w.open {
			return body[w.from:w.to]
		}
		if w.to < cap(body) {
			return append(body[w.from:w.to], '\n')
		}
	}
	w.flush(body)
	return w.out
}

// skipBlank skips white space from i on and counts its line feeds into line.
func skipBlank(b []byte, i, line int) (int, int) {
	for ; i < len(b); i++ {
		switch b[i] {
		case '\n':
			line++
		case ' ', '\t', '\r':
		default:
			return i, line
		}
	}
	return i, line
}
