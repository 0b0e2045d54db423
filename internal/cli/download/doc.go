// Package download brings delivered objects to a directory: what the ledger
// says was stored, from wherever a Fetch reads it, checked against size and
// checksum. What is there already is not fetched again.
//
// A file appears under its name whole or not at all. No name leads out of the
// directory.
package download

import (
	"context"
	"io"
	"time"
)

// File is one object to bring.
type File struct {
	Sink  string // whose bucket it is in
	Key   string // there
	Name  string // below the directory, divided by '/'
	Bytes int64
	CRC32 uint32 // CRC-32 (IEEE) of the stored bytes
}

// Fetch opens an object as it is stored. The caller closes it; ctx lives as long.
type Fetch func(ctx context.Context, f File) (io.ReadCloser, error)

// Options say how to work. Zero values mean the defaults.
type Options struct {
	Jobs  int                  // files at one time; 0: 8
	Tries int                  // of one file; 0: 4
	Wait  time.Duration        // before the second try, doubled before each further; 0: 500 ms
	Again func(err error) bool // whether another try may help; nil: always
	// Report is called after each piece of progress, never twice at one time; nil: nobody wants to know.
	Report func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Files int // looked at and settled
	Of    int
	Bytes int64 // fetched, or there already
	Size  int64 // of all files
	Fresh int64 // bytes fetched
}

// Result is what came of a run.
type Result struct {
	Downloaded int
	Present    int   // that were there already
	Bytes      int64 // of those downloaded
	Failed     []Failure
}

// Failure is a file that could not be brought, and why.
type Failure struct {
	Key string
	Err error
}
