package importer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"

	"strm/internal/importer"
	"strm/internal/stream"
)

// The tests' own format of event files: a line for each row, "environment text".
// It lets a test say what a reader meets: "!damage" is a file that is damaged from there
// on, "!panic" one that nobody thought of.

type rowsFile struct {
	lines []string
	chunk int // rows of a chunk
}

// openRows believes what it gets, as a reader of streams would.
func openRows(src io.Reader, chunk int) (importer.EventFile, error) {
	data, err := io.ReadAll(src)
	if err != nil {
		return nil, &importer.FileError{Detail: "the reader takes a broken connection for a broken file"}
	}
	if !bytes.HasPrefix(data, []byte("rows\n")) {
		return nil, &importer.FileError{Detail: "not a file of rows"}
	}
	text := strings.TrimSuffix(string(data[5:]), "\n")
	if text == "" {
		return &rowsFile{chunk: chunk}, nil
	}
	return &rowsFile{strings.Split(text, "\n"), chunk}, nil
}

// fileOf makes a file of rows.
func fileOf(rows ...string) []byte { return []byte("rows\n" + strings.Join(rows, "\n") + "\n") }

func (f *rowsFile) Close() error { return nil }

func (f *rowsFile) Read(environments []string) importer.Reading {
	return &rowsReading{file: f, environments: environments}
}

type rowsReading struct {
	file         *rowsFile
	environments []string
	ok, bad      int64
	refused      []stream.StatusEntry
}

func (r *rowsReading) Chunks(ctx context.Context, from int64) iter.Seq2[importer.Chunk, error] {
	return func(yield func(importer.Chunk, error) bool) {
		c := importer.Chunk{From: from, To: from}
		for n, line := range r.file.lines {
			switch line {
			case "!damage":
				if c.To > c.From && !yield(c, nil) {
					return
				}
				yield(importer.Chunk{}, &importer.FileError{Detail: fmt.Sprintf("damaged after %d rows", n)})
				return
			case "!panic":
				panic("a row that nobody thought of")
			}
			environment, text, _ := strings.Cut(line, " ")
			good := false
			for _, e := range r.environments {
				good = good || e == environment
			}
			if good {
				r.ok++
			} else {
				r.bad++
			}
			if int64(n) < from {
				continue
			}
			if good {
				c.Data = fmt.Appendf(c.Data, "{%q:%q}\n", environment, text)
				c.Accepted++
			}
			if c.To = int64(n) + 1; c.To-c.From == int64(r.file.chunk) {
				if err := ctx.Err(); err != nil {
					yield(importer.Chunk{}, err)
					return
				}
				if !yield(c, nil) {
					return
				}
				c = importer.Chunk{From: c.To, To: c.To}
			}
		}
		if c.To > c.From {
			yield(c, nil)
		}
	}
}

func (r *rowsReading) Rows() int64     { return r.ok + r.bad }
func (r *rowsReading) Accepted() int64 { return r.ok }

func (r *rowsReading) Refuse(code stream.RowError, detail string) {
	r.refused = append(r.refused, stream.StatusEntry{Rows: 1, Errors: []stream.RowError{code}, Details: []string{detail}})
}

func (r *rowsReading) Entries() (out []stream.StatusEntry) {
	if r.ok > 0 || r.bad == 0 && len(r.refused) == 0 {
		out = append(out, stream.StatusEntry{Valid: true, Rows: r.ok})
	}
	if r.bad > 0 {
		out = append(out, stream.StatusEntry{Rows: r.bad, Errors: []stream.RowError{stream.ErrEnvironment}, Details: []string{"unknown environment"}})
	}
	out = append(out, r.refused...)
	for i := range out {
		out[i].EntryID = i + 1
	}
	return out
}
