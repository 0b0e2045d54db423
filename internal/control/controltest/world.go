// Package controltest makes a Control over a real catalog and a real log, with
// a runner that checks its caller and faults that can be put before or after
// every write.
package controltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"strm/internal/builtin"
	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/seal"
	"strm/internal/stream"
)

// World is a Control and what it works on.
type World struct {
	*control.Control
	T        testing.TB
	Deps     control.Deps
	DB       *catalog.DB
	EventLog eventlog.Log
	Runner   *Runner
	Faults   *Faults
	Sealer   *seal.Sealer
}

// New makes a World that ends with the test.
func New(t testing.TB) *World {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the catalog: %v", err)
		}
	})
	log, err := embedded.Open(filepath.Join(dir, "log"), embedded.Options{
		MinFree: -1,
		Logger:  slog.New(slog.DiscardHandler),
		Fatal:   func(err error) { panic(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	sealer, err := seal.Open(filepath.Join(dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &World{T: t, Sealer: sealer, DB: db, EventLog: log, Faults: &Faults{}}
	w.Runner = newRunner(t, db, log)
	w.Deps = control.Deps{
		Catalog:     faultyCatalog{db, w.Faults},
		Log:         faultyLog{log, w.Faults},
		Runner:      w.Runner,
		Sealer:      sealer,
		CheckOutput: builtin.CheckOutput,
		Writes:      builtin.Writes,
		Options:     control.Options{NoticeURL: "/notices/"},
	}
	w.Control = control.New(w.Deps)
	return w
}

// With makes the Control anew with other options, over the same state.
func (w *World) With(o control.Options) {
	w.Deps.Options = o
	w.Control = control.New(w.Deps)
}

// Append puts n events into a partition, received at a time.
func (w *World) Append(streamName string, p stream.Partition, n int, at time.Time) {
	w.T.Helper()
	s, err := w.DB.Stream(context.Background(), streamName)
	if err != nil {
		w.T.Fatal(err)
	}
	var data bytes.Buffer
	for i := range n {
		fmt.Fprintf(&data, `{"n":%d}`+"\n", i)
	}
	_, err = w.EventLog.Append(context.Background(), s.ID, eventlog.Entry{Partition: p, Events: n, Data: data.Bytes(), Received: at})
	if err != nil {
		w.T.Fatal(err)
	}
}

// Secret is in Credentials and must be nowhere else.
const Secret = "wJalrXUtnFEMI7K7MDENG2bPxRfiCY3EXAMPLE4K"

// Credentials is a credentials file of S3.
const Credentials = `{"AccessKey":{"UserName":"u","AccessKeyId":"AKIAEXAMPLEEXAMPLE12","Status":"Active","SecretAccessKey":"` + Secret + `"}}`

// ErrInjected is the cause of every failure that a test asked for.
var ErrInjected = errors.New("injected fault")
