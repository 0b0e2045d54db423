package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const bucket = "bench-bucket"

// sink is an S3 server that takes PutObject with If-None-Match and keeps
// nothing but the keys.
type sink struct {
	mu    sync.Mutex
	keys  map[string]bool
	stats sinkStats
	bufs  sync.Pool
}

// sinkStats is what arrived, validation objects left out.
type sinkStats struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// sinkMain serves until the process is ended, and prints its address first.
func sinkMain(ctx context.Context, args []string) error {
	if len(args) != 0 {
		return fmt.Errorf("sink: unexpected argument %q", args[0])
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(os.Stdout, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	srv := &http.Server{Handler: newSink(), ReadHeaderTimeout: 30 * time.Second}
	context.AfterFunc(ctx, func() {
		// Serve returns at once, and the process ends.
		_ = srv.Close()
	})
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func newSink() *sink {
	return &sink{keys: map[string]bool{}, bufs: sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}}
}

// ServeHTTP answers one request.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-amz-bucket-region", "us-east-1")
	switch {
	case r.URL.Path == "/-/stats":
		s.mu.Lock()
		defer s.mu.Unlock()
		// A reader that goes away early is its own affair.
		_ = json.NewEncoder(w).Encode(s.stats)
	case r.Method == http.MethodPut && strings.Count(r.URL.Path, "/") > 1:
		s.put(w, r)
	case r.Method == http.MethodHead && strings.TrimSuffix(r.URL.Path, "/") == "/"+bucket:
	case r.Method == http.MethodGet && r.URL.Query().Has("location"):
		// As above.
		_, _ = io.WriteString(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)
	default:
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>only PutObject is allowed</Message></Error>`)
	}
}

func (s *sink) put(w http.ResponseWriter, r *http.Request) {
	buf := s.bufs.Get().(*[]byte)
	defer s.bufs.Put(buf)
	// The wrappers hide the fast paths, which would use a buffer of 8 KiB.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, *buf)
	if err != nil || r.ContentLength >= 0 && n != r.ContentLength {
		return // cut off: nothing is stored
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys[r.URL.Path] {
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, `<Error><Code>PreconditionFailed</Code><Message>the key is taken</Message></Error>`)
		return
	}
	s.keys[r.URL.Path] = true
	if n > 0 {
		s.stats.Objects++
		s.stats.Bytes += n
	}
	w.Header().Set("ETag", `"00000000000000000000000000000000"`)
}

// stats asks a sink what has arrived so far.
func stats(ctx context.Context, url string) (sinkStats, error) {
	var st sinkStats
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/-/stats", nil)
	if err != nil {
		return st, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, fmt.Errorf("ask the sink: %w", err)
	}
	err = json.NewDecoder(resp.Body).Decode(&st)
	return st, errors.Join(err, resp.Body.Close())
}
