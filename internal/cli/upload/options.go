package upload

import (
	"context"
	"io"
	"time"

	"strm/internal/apiclient"
)

// Options say what is sent where, and how.
type Options struct {
	Server   string // part of a file's identity
	Stream   string
	WriteKey string        // empty uses the client's token
	Encoding string        // of request bodies: "", "gzip", "zstd"
	Parallel int           // requests under way at once; at least 1
	RetryFor time.Duration // how long one chunk is tried; far below KeyWindow
	Restart  bool          // forget earlier sessions of these files
	StateDir string        // where sessions are kept; empty keeps none
	Stdin    io.Reader

	// Append sends one request; (*apiclient.Client).Append in life.
	Append func(context.Context, apiclient.Append) (int64, error)
	// Say tells a person something, one line without its end. It may be called
	// from several goroutines, but never at the same time.
	Say func(line string)
	// Progress is told how far a file is, often; the same holds for it.
	Progress func(Progress)
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
