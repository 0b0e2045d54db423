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

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/problem"
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
	w := &World{T: t, DB: db, EventLog: log, Faults: &Faults{}}
	w.Runner = newRunner(t, db, log)
	w.Deps = control.Deps{
		Catalog:         faultyCatalog{db, w.Faults},
		Log:             faultyLog{log, w.Faults},
		Runner:          w.Runner,
		Sealer:          Sealer{},
		ParseCredential: ParseCredential,
		CheckOutput:     CheckOutput,
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

// Secret is in every credentials file that ParseCredential accepts.
const Secret = "wJalrXUtnFEMIsecretsecretsecret"

// Credentials is a credentials file of S3.
const Credentials = `{"AccessKey":{"AccessKeyId":"AKIAEXAMPLE","SecretAccessKey":"` + Secret + `"}}`

// ParseCredential knows the file Credentials and little else.
func ParseCredential(file []byte, explicit string) (control.Credential, error) {
	switch {
	case bytes.Contains(file, []byte("service_account")) && explicit != string(stream.SinkS3):
		return control.Credential{Shape: "gcs-service-account", Type: stream.SinkGCS, Principal: "strm@example.iam"}, nil
	case bytes.Contains(file, []byte("accessKey\"")):
		return control.Credential{Shape: "mc-alias", Type: stream.SinkS3, Principal: "minio", Endpoint: "http://127.0.0.1:9000"}, nil
	case bytes.Contains(file, []byte("AccessKeyId")) && explicit != string(stream.SinkGCS):
		return control.Credential{Shape: "aws-access-key", Type: stream.SinkS3, Principal: "AKIAEXAMPLE"}, nil
	}
	return control.Credential{}, problem.New(problem.Invalid, "the credentials file has no known shape; give the sink type")
}

// CheckOutput fills defaults and knows one format.
func CheckOutput(o stream.Output) (stream.Output, error) {
	if o.Layout == "" {
		o.Layout = "strm"
	}
	if o.Format == "" {
		o.Format = "jsonl"
	}
	if o.Compression == "" {
		o.Compression = "none"
	}
	if o.Format != "jsonl" {
		return o, problem.New(problem.Invalid, "format %q is not known", o.Format)
	}
	return o, nil
}

// Sealer is no cipher, but keeps the plain text out of sight and is bound to
// its associated data.
type Sealer struct{}

// Seal returns the associated data and the plain text with all bits turned.
func (Sealer) Seal(plain, associated []byte) ([]byte, error) {
	out := append([]byte("sealed:"), associated...)
	for _, b := range plain {
		out = append(out, ^b)
	}
	return out, nil
}

// ErrInjected is the cause of every failure that a test asked for.
var ErrInjected = errors.New("injected fault")
