package protocol

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Level is the level of a log message.
type Level string

// The levels that are used.
const (
	Info Level = "INFO"
	Warn Level = "WARN"
)

// Failure says whose turn it is after an error.
type Failure string

// The types of failure.
const (
	SystemError    Failure = "system_error"    // ours
	ConfigError    Failure = "config_error"    // somebody's who configures
	TransientError Failure = "transient_error" // nobody's: the same again may succeed
)

// Writer writes messages, each as one line and at once. Safe for concurrent
// use. Its first error stays: a destination that nobody hears must stop.
type Writer struct {
	mu  sync.Mutex
	w   io.Writer
	now func() time.Time
	err error
}

// NewWriter returns a writer of messages to w.
func NewWriter(w io.Writer, now func() time.Time) *Writer { return &Writer{w: w, now: now} }

// Line writes a message that is JSON already.
func (w *Writer) Line(line []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	// One write, so that no other process's output gets between.
	if _, err := w.w.Write(append(line, '\n')); err != nil {
		w.err = fmt.Errorf("write a message: %w", err)
	}
	return w.err
}

func (w *Writer) message(m any) error {
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write a message: %w", err)
	}
	return w.Line(line)
}

// Log writes a log message. That it cannot be written shows at the next message
// that matters.
func (w *Writer) Log(level Level, format string, args ...any) {
	type entry struct {
		Level   Level  `json:"level"`
		Message string `json:"message"`
	}
	_ = w.message(struct {
		Type string `json:"type"`
		Log  entry  `json:"log"`
	}{"LOG", entry{level, fmt.Sprintf(format, args...)}})
}

// Error writes the TRACE ERROR that tells why the destination fails.
func (w *Writer) Error(f Failure, text string) error {
	type fault struct {
		Message  string  `json:"message"`
		Internal string  `json:"internal_message"`
		Failure  Failure `json:"failure_type"`
	}
	type trace struct {
		Type  string  `json:"type"`
		At    float64 `json:"emitted_at"`
		Error fault   `json:"error"`
	}
	return w.message(struct {
		Type  string `json:"type"`
		Trace trace  `json:"trace"`
	}{"TRACE", trace{"ERROR", float64(w.now().UnixMilli()), fault{text, text, f}}})
}

// Connection writes the one answer to check.
func (w *Writer) Connection(failed error) error {
	type status struct {
		Status  string `json:"status"`
		Message string `json:"message,omitempty"`
	}
	s := status{Status: "SUCCEEDED"}
	if failed != nil {
		s = status{"FAILED", failed.Error()}
	}
	return w.message(struct {
		Type   string `json:"type"`
		Status status `json:"connectionStatus"`
	}{"CONNECTION_STATUS", s})
}

// Spec writes the answer to spec.
func (w *Writer) Spec(spec json.RawMessage) error {
	return w.message(struct {
		Type string          `json:"type"`
		Spec json.RawMessage `json:"spec"`
	}{"SPEC", spec})
}
