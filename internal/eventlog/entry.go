package eventlog

import (
	"bytes"
	"math"

	"strm/internal/problem"
)

// MaxName is how many bytes a key or a mark may have.
const MaxName = 255

var newline = []byte{'\n'}

// Check holds an entry to its form: a wrong count would shift every later offset. The
// error is of kind Invalid.
func (e *Entry) Check() error {
	switch {
	case e.Events < 1 || e.Events > math.MaxUint32 || len(e.Data) == 0 || e.Data[len(e.Data)-1] != '\n':
		return problem.New(problem.Invalid, "entry must hold at least one event, every one ended by a newline")
	case len(e.Key) > MaxName:
		return problem.New(problem.Invalid, "idempotency key is %d bytes long; at most %d are allowed", len(e.Key), MaxName)
	case e.Stamped && e.Received.IsZero():
		return problem.New(problem.Invalid, "a stamped entry must say when it was received")
	case len(e.IDs) > 0 && e.Key != "":
		return problem.New(problem.Invalid, "an entry has an idempotency key or ids, not both")
	case e.Mark != "" && (e.Key != "" || len(e.IDs) > 0):
		return problem.New(problem.Invalid, "an entry has a mark, an idempotency key or ids, only one of them")
	case (e.Mark == "") != (e.MarkAt == 0):
		return problem.New(problem.Invalid, "an entry has a mark and says how far it goes, over 0, or neither")
	case len(e.IDs) > 0 && len(e.IDs) != e.Events:
		return problem.New(problem.Invalid, "entry holds %d events and %d ids", e.Events, len(e.IDs))
	case len(e.IDs) > 0 && e.IDWindow <= 0:
		return problem.New(problem.Invalid, "an entry with ids needs a window over 0, not %s", e.IDWindow)
	}
	if n := bytes.Count(e.Data, newline); n != e.Events {
		return problem.New(problem.Invalid, "entry says %d events and holds %d lines", e.Events, n)
	}
	if e.Mark != "" {
		return CheckMark(e.Mark)
	}
	return nil
}

// CheckMark refuses what cannot be a mark, with kind Invalid.
func CheckMark(mark string) error {
	if mark == "" || len(mark) > MaxName {
		return problem.New(problem.Invalid, "a mark has 1 to %d bytes, not %d", MaxName, len(mark))
	}
	return nil
}
