package eventfile

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
)

// Limits bound what a file may cost. A field that is 0 has its default.
type Limits struct {
	// Unwrapped is how many bytes the file may have after unwrapping; 64 GiB.
	Unwrapped int64
	// Ratio and Floor bound what becomes of the stored bytes, by unwrapping, in pages, and as
	// rows: at most Floor + Ratio * stored bytes; 200 and 1 GiB. What is more is a bomb.
	Ratio, Floor int64
	// FreeDisk is how many bytes stay free on the disk of the temporary file; 1 GiB.
	// Less is an error of ours, not of the file.
	FreeDisk int64
	// Memory is how many bytes pages and dictionaries may take at once; 256 MiB. A file of
	// pages of a few MiB, as they are usually written, needs less than 50.
	Memory int64
	// Footer is how many bytes the footer may have; 64 MiB.
	Footer int64
	// Row is how many bytes a row may have as JSON; 1 MiB. A longer one is refused.
	Row int
}

func (l Limits) withDefaults() Limits {
	def := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Unwrapped, 64<<30)
	def(&l.Ratio, 200)
	def(&l.Floor, 1<<30)
	def(&l.FreeDisk, 1<<30)
	def(&l.Memory, 256<<20)
	def(&l.Footer, 64<<20)
	l.Memory = min(l.Memory, 2<<30) // offsets have 32 bits
	if l.Row <= 0 {
		l.Row = 1 << 20
	}
	return l
}

// most returns what stored bytes may become.
func (l Limits) most(stored int64) int64 {
	if stored > (1<<62-l.Floor)/l.Ratio {
		return 1 << 62
	}
	return l.Floor + l.Ratio*stored
}

// FileError is what is wrong with a file, as opposed to what went wrong while
// it was read. Reading the file again ends in the same.
type FileError struct {
	Detail string // for whoever wrote the file: what, where, and what it must be
}

func (e *FileError) Error() string { return e.Detail }

func refuse(format string, args ...any) error {
	return &FileError{Detail: fmt.Sprintf(format, args...)}
}

// File is an event file that was opened. It is for one goroutine at a time.
type File struct {
	limits Limits
	stored int64    // bytes in the store
	temp   *os.File // unwrapped
	size   int64    // of temp
	table  table
}

// Open takes the file's bytes from src, which must be as many as size says (as
// the store did), writes them into a temporary file in dir, unwrapped if they are wrapped,
// and checks footer and schema. What is wrong with the file is a *FileError; any other error
// is about src, dir or ctx, and Open may be called again. The temporary file is removed by Close, or before
// Open returns an error; where the process dies, it stays, named eventfile-*.
func Open(ctx context.Context, src io.Reader, size int64, dir string, l Limits) (*File, error) {
	f := &File{limits: l.withDefaults(), stored: size}
	err := f.open(ctx, src, dir)
	if err != nil {
		_ = f.Close() // the error that counts is err
		return nil, err
	}
	return f, nil
}

// Rows returns how many rows the file has, as its footer says.
func (f *File) Rows() int64 { return f.table.rows }

// Close removes the temporary file. Closing twice is no error.
func (f *File) Close() error {
	if f.temp == nil {
		return nil
	}
	name := f.temp.Name()
	err := f.temp.Close()
	f.temp = nil
	if rmErr := os.Remove(name); err == nil {
		err = rmErr
	}
	return err
}

// Check is what rows are checked against.
type Check struct {
	Environments []string // ids of which a row must have one
}

// Chunk is the rows [From,To) of the file, counted from 0. Data holds those of them that were accepted as JSON
// lines in the file's order, each ended by '\n', and Accepted is how many these are. Data is overwritten by the next chunk.
type Chunk struct {
	From, To int64
	Data     []byte
	Accepted int
}

// Chunks checks every row of the file, from the first, counts it in t, and
// yields those from row number from on, in chunks of about 1 MiB of Data; one
// ends with the row that reaches this, so it may be Limits.Row longer. The first chunk begins exactly at from, each other one
// where the one before it ended, and the last one ends at Rows, also where no row in it was accepted. When a chunk is
// yielded, t has counted exactly the rows before its end.
//
// An error ends the sequence. A *FileError says that the file is damaged: the
// rows before the damage have been counted and yielded. The number of these is the same whenever the file is read.
// Where there are fewer of them than from, nothing is yielded before it.
// Any other error is about the disk or ctx.
//
// Chunks may be called again, with another tally, for another reading.
func (f *File) Chunks(ctx context.Context, from int64, check Check, t *Tally) iter.Seq2[Chunk, error] {
	return func(yield func(Chunk, error) bool) {
		r := newReader(f, from, check, t)
		defer r.close()
		for {
			c, more, err := r.next(ctx)
			if c.To > c.From && !yield(c, nil) {
				return
			}
			if err != nil {
				yield(Chunk{}, err)
				return
			}
			if !more {
				return
			}
		}
	}
}
