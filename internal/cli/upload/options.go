package upload

import (
	"context"
	"io"
	"time"

	"strm/internal/apiclient"
)

// Options say what is sent where, and how.
type Options struct {
	Stream   string
	WriteKey string        // empty uses the client's token
	Encoding string        // of request bodies: "", "gzip", "zstd"
	Parallel int           // requests under way at once; at least 1
	RetryFor time.Duration // how long one chunk is tried; at most half the server's window is used
	Restart  bool          // forget earlier sessions of these files
	StateDir string        // where sessions are kept; empty keeps none
	Stdin    io.Reader

	// Target finds out where the files go. It is asked once, before anything
	// is sent, and again while the server is away.
	Target func(context.Context) (Target, error)
	// Append sends one request; (*apiclient.Client).Append in life.
	Append func(context.Context, apiclient.Append) (int64, error)
	// Say tells a person something, one line without its end. It may be called
	// from several goroutines, but never at the same time.
	Say func(line string)
	// Progress is told how far a file is, often; the same holds for it.
	Progress func(Progress)
	// Report is told the result when all is accepted, before that is forgotten:
	// if the process dies in between, the same command finds nothing left to
	// send. An error of it is the error of Run.
	Report func(Result) error
}

// Target is where files go.
type Target struct {
	// ID is the same for the same stream, and for no other. It is part of a
	// session's identity.
	ID        string
	KeyWindow time.Duration // how long the server remembers keys; 0 for DefaultKeyWindow
}

// Progress is how far one file is.
type Progress struct {
	File       string
	Read, Size int64 // bytes of the file on disk; Size 0 when unknown
	Begun      int64 // bytes of it that an earlier run had read
	Events     int64 // of all files, accepted
	Bytes      int64 // of all files, decompressed, accepted
	Fresh      int64 // events accepted by this run
}

// Result is what the stream holds of the files, sent now or by the runs that
// this one resumed.
type Result struct {
	Events int64
	Bytes  int64 // decompressed
}
