package csv

import (
	"bytes"
	"io"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/jsonscan"
	"strm/internal/problem"
	"strm/internal/stream"
)

// keep is the largest buffer that is used again for the next row.
const keep = 1 << 20

// piece is how much of a long cell is written at once.
const piece = 64 << 10

type rows struct {
	*layout
	run     format.Run
	pack    *format.Packer
	lookup  *columns.Lookup
	tally   columns.Tally
	scratch []byte
	numeric []bool // by part
}

// rows writes the header and returns a writer of rows.
func (l *layout) rows(w io.Writer, v format.Variant, run format.Run) *rows {
	if len(l.parts) == 1 && l.root && len(l.fields) == 0 {
		l.parts, l.root = []envelope.Part{envelope.Data}, false // there is no table without a column
	}
	r := &rows{layout: l, run: run, pack: format.NewPacker(w, v.Compression, run.Shared), numeric: make([]bool, len(l.parts))}
	var names []string
	for i, p := range l.parts {
		if p == envelope.Root {
			continue
		}
		names = append(names, l.env.Name(p))
		airbyte := l.env.Style == stream.EnvelopeAirbyte0 || l.env.Style == stream.EnvelopeAirbyte1
		r.numeric[i] = airbyte && p == envelope.Time || p == envelope.Generation
	}
	if l.root {
		l.fields = columns.Named(l.fields, false, names...)
		if l.order == stream.OrderByName {
			columns.SortByName(l.fields)
		}
		for _, f := range l.fields {
			names = append(names, f.Name)
		}
		r.lookup = columns.NewLookup(l.fields)
		if l.declared && run.Losses != nil {
			r.lookup.Count(&r.tally)
			r.lookup.Ignore(l.ignored...)
		}
	}
	if l.header {
		for i, n := range names {
			r.cell(i, []byte(n), false)
		}
		r.end()
	}
	return r
}

// Append adds a row.
func (w *rows) Append(row format.Row, event []byte) error {
	event, err := envelope.Check(event)
	if err != nil {
		return err
	}
	if w.lookup != nil && !w.lookup.Read(event) {
		return problem.New(problem.Invalid, "an event is not whole JSON: %.40q", event)
	}
	n := 0
	for i, p := range w.parts {
		if p == envelope.Root {
			n = w.members(n)
			continue
		}
		text := event
		if p != envelope.Data {
			w.scratch = w.env.Append(w.scratch[:0], p, w.run, &row, event)
			text = w.scratch
		}
		w.cell(n, text, w.numeric[i])
		n++
	}
	w.end()
	if cap(w.scratch) > keep {
		w.scratch = nil
	}
	return w.pack.Spill()
}

func (w *rows) members(n int) int {
	for i := range w.lookup.Vals {
		v := &w.lookup.Vals[i]
		switch {
		case w.fields[i].Rest:
			w.rest(n)
		case v.Null():
			w.nullCell(n)
		default:
			var text []byte
			text, w.scratch = v.TextIn(w.scratch[:0])
			w.cell(n, text, !w.asText && jsonscan.KindOf(v.Raw) == jsonscan.Number)
		}
		n++
	}
	return n
}

// rest writes the members without a column as one JSON object.
func (w *rows) rest(n int) {
	if len(w.lookup.More) == 0 {
		w.nullCell(n)
		return
	}
	b := append(w.scratch[:0], '{')
	for i, m := range w.lookup.More {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), m.Key...), '"', ':')
		b = m.JSON(b)
	}
	w.scratch = append(b, '}')
	w.cell(n, bytes.ToValidUTF8(w.scratch, []byte("\uFFFD")), false)
}

// cell appends cell number n of a row.
func (w *rows) cell(n int, text []byte, number bool) {
	b := w.pack.Buf
	if n > 0 {
		b = append(b, w.delimiter...)
	}
	if w.quote == stream.QuoteAll || w.quote == stream.QuoteNonNumeric && !number || w.quote == stream.QuoteNeeded && w.needsQuotes(text) {
		b = append(b, '"')
		for len(text) > piece {
			w.pack.Buf = doubled(b, text[:piece])
			text = text[piece:]
			w.pack.Ease()
			b = w.pack.Buf
		}
		w.pack.Buf = append(doubled(b, text), '"')
		return
	}
	w.pack.Buf = b
	w.pack.Long(text)
}

// doubled appends a text with its quotes doubled.
func doubled(b, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '"')
		if i < 0 {
			return append(b, text...)
		}
		b = append(append(b, text[:i+1]...), '"')
		text = text[i+1:]
	}
}

// needsQuotes reports whether a text would be misread if it stood bare: as
// null, as several cells or rows, or as an empty line.
func (w *rows) needsQuotes(text []byte) bool {
	if string(text) == w.null || len(text) == 0 {
		return true
	}
	first, last := text[0], text[len(text)-1]
	if first == ' ' || last == ' ' || first == '\t' || last == '\t' {
		return true // some readers trim
	}
	for _, c := range text {
		if c == '"' || c == '\r' || c == '\n' || c == w.delimiter[0] {
			return true
		}
	}
	return false
}

// nullCell appends null: bare where a quoted text can be told from it.
func (w *rows) nullCell(n int) {
	if w.quote != stream.QuoteNeeded {
		w.scratch = append(w.scratch[:0], w.null...)
		w.cell(n, w.scratch, false)
		return
	}
	if n > 0 {
		w.pack.Buf = append(w.pack.Buf, w.delimiter...)
	}
	if w.null == "" && n == 0 && len(w.fields) == 1 && len(w.parts) == 1 {
		w.pack.Buf = append(w.pack.Buf, '"', '"') // a line of nothing is no row for most readers
		return
	}
	w.pack.Buf = append(w.pack.Buf, w.null...)
}

func (w *rows) end() { w.pack.Buf = append(w.pack.Buf, '\r', '\n') }

// Buffered returns what waits to be written.
func (w *rows) Buffered() int64 { return w.pack.Buffered() }

// Flush writes what waits.
func (w *rows) Flush() error { return w.pack.Flush() }

// Close ends the file.
func (w *rows) Close() error {
	if w.run.Losses != nil && w.lookup != nil {
		lost := format.Losses{Others: w.tally.More}
		w.lookup.Counted(func(name string, members int64) {
			lost.Undeclared = append(lost.Undeclared, format.Undeclared{Path: name, Members: members})
		})
		w.run.Losses.Add(&lost)
	}
	return w.pack.Close()
}

// Count returns the number of rows.
func (f Format) Count(r io.Reader, o stream.Output) (int64, error) {
	v, err := f.Variant(o)
	if err != nil {
		return 0, err
	}
	r, end, err := format.Unpacked(r, v.Compression)
	if err != nil {
		return 0, problem.New(problem.Corrupt, "not a %s file: %w", v.Compression, err)
	}
	defer end()
	n, err := countRows(r)
	if err != nil || o.CSV.NoHeader || n == 0 {
		return n, err
	}
	return n - 1, nil
}

// countRows counts line ends outside of quotes. A quoted quote is two, so
// whether we are inside flips twice and stays right.
func countRows(r io.Reader) (int64, error) {
	var (
		n      int64
		inside bool
		last   = byte('\n')
		buf    = make([]byte, 64<<10)
	)
	for {
		k, err := r.Read(buf)
		for _, c := range buf[:k] {
			switch {
			case c == '"':
				inside = !inside
			case c == '\n' && !inside:
				n++
			}
		}
		if k > 0 {
			last = buf[k-1]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, problem.New(problem.Corrupt, "after %d rows: %w", n, err)
		}
	}
	if inside || last != '\n' {
		return n, problem.New(problem.Corrupt, "the file ends inside a row, after %d rows", n)
	}
	return n, nil
}
