package importer

import (
	"context"
	"errors"
	"io"
	"iter"

	"strm/internal/eventfile"
)

// Parquet opens event files as package eventfile reads them, with temporary
// files in dir. What a process that died left there is named eventfile-*.
func Parquet(dir string, l eventfile.Limits) OpenFile {
	return func(ctx context.Context, src io.Reader, size int64) (EventFile, error) {
		f, err := eventfile.Open(ctx, src, size, dir, l)
		if err != nil {
			return nil, ofFile(err)
		}
		return parquet{f}, nil
	}
}

// ofFile makes what is wrong with a file a FileError of this package.
func ofFile(err error) error {
	var bad *eventfile.FileError
	if errors.As(err, &bad) {
		return &FileError{Detail: bad.Detail}
	}
	return err
}

type parquet struct{ *eventfile.File }

// Read begins a reading.
func (f parquet) Read(environments []string) Reading {
	return &parquetReading{file: f.File, check: eventfile.Check{Environments: environments}}
}

type parquetReading struct {
	eventfile.Tally
	file  *eventfile.File
	check eventfile.Check
}

// Chunks reads the file.
func (r *parquetReading) Chunks(ctx context.Context, from int64) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		for c, err := range r.file.Chunks(ctx, from, r.check, &r.Tally) {
			if err != nil {
				err = ofFile(err)
			}
			if !yield(Chunk(c), err) {
				return
			}
		}
	}
}

var _ Reading = (*parquetReading)(nil)
