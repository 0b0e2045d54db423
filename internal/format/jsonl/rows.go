package jsonl

import (
	"io"

	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/stream"
)

// Rows begins a file that is written row by row. Events go into it verbatim.
func (f Format) Rows(w io.Writer, o stream.Output, run format.Run) (format.RowWriter, error) {
	v, err := f.Variant(o)
	if err != nil {
		return nil, err
	}
	return newRows(w, o, v, run)
}

type rows struct {
	env  *envelope.Envelope
	run  format.Run
	pack *format.Packer
}

func newRows(w io.Writer, o stream.Output, v format.Variant, run format.Run) (*rows, error) {
	env, err := envelope.Of(o, false)
	if err != nil {
		return nil, err
	}
	return &rows{env: env, run: run, pack: format.NewPacker(w, v.Compression, run.Shared)}, nil
}

// Append adds a line.
func (w *rows) Append(r format.Row, event []byte) error {
	event, err := envelope.Check(event)
	if err != nil {
		return err
	}
	head, body, tail := w.env.Object(w.pack.Buf, w.run, &r, event)
	w.pack.Buf = head
	w.pack.Long(body)
	w.pack.Buf = append(append(w.pack.Buf, tail...), '\n')
	return w.pack.Spill()
}

// Buffered returns what waits to be written.
func (w *rows) Buffered() int64 { return w.pack.Buffered() }

// Flush writes what waits.
func (w *rows) Flush() error { return w.pack.Flush() }

// Close ends the file.
func (w *rows) Close() error { return w.pack.Close() }
