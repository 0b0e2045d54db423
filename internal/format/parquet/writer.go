package parquet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/stream"
)

const (
	stageBytes = 64 << 10  // default of Run.Stage
	chunkRows  = 256       // rows that are put into columns at once
	chunkBytes = 128 << 10 // likewise bytes: a page can grow beyond its size by so much
	sampleMin  = 16        // values of a first chunk that decide about a dictionary
)

type writer struct {
	*layout
	run   format.Run
	stage int64
	out   sink
	file  fileWriter                        // nil until the first row group, or the end
	group *parquet.ConcurrentRowGroupWriter // nil between row groups

	schema    *parquet.Schema
	pageCodec compress.Codec

	parts  []envelope.Part
	metas  []*node // by part; nil for the root
	root   []*node
	lookup *columns.Lookup
	emit   emitter

	raw    []byte // rows that wait
	rows   []staged
	rowsIn int64 // of the row group
	rawIn  int64
	seen   map[uint64]struct{}
	nulled map[string]map[string]int64 // column, reason
	tally  columns.Tally
	counts bool // of members that the schema has no place for
}

// staged is a row that waits: its event ends at end in raw.
type staged struct {
	end int
	row format.Row
}

func (l *layout) writer(w io.Writer, run format.Run) (*writer, error) {
	c, err := codec(l.codec)
	if err != nil {
		return nil, err
	}
	out := &writer{layout: l, run: run, stage: run.Stage, out: sink{w: w}, nulled: map[string]map[string]int64{}}
	if out.stage <= 0 {
		out.stage = stageBytes
	}
	out.parts, out.metas, out.root, out.schema, out.emit.leaves = l.schema()
	out.lookup = columns.NewLookup(l.fields)
	out.emit.misfit = out.misfit
	if l.declared && slices.Contains(out.parts, envelope.Root) {
		out.count()
	}
	out.pageCodec = c
	if _, err := parquet.NewWriterConfig(out.options()...); err != nil {
		return nil, err
	}
	return out, nil
}

func (w *writer) options() []parquet.WriterOption {
	options := []parquet.WriterOption{
		w.schema, parquet.Compression(w.pageCodec), parquet.DataPageVersion(1), parquet.CreatedBy("strm", "1", "parquet-1"),
		parquet.PageBufferSize(int(w.pageBytes)), parquet.WriteBufferSize(0), parquet.DictionaryMaxBytes(w.dictionaryBytes),
		parquet.DataPageStatistics(false), // they are in the column index
	}
	for _, l := range w.emit.leaves {
		if l.text {
			options = append(options, parquet.SkipPageBounds(l.skip...)) // kept, and looked at for each row group
		}
	}
	return options
}

// fileWriter is what is used of the library's writer. Its generic successor would
// build a way in for Go values, which costs memory per file and is of no use here.
type fileWriter interface {
	BeginRowGroup() *parquet.ConcurrentRowGroupWriter
	SetKeyValueMetadata(key, value string)
	Close() error
}

// open makes the library's writer, which takes some 3 KB a column, as late as
// can be.
func (w *writer) open() {
	if w.file == nil {
		w.file = parquet.NewWriter(&w.out, w.options()...)
	}
}

// Append adds a row.
func (w *writer) Append(r format.Row, event []byte) error {
	event, err := envelope.Check(event)
	if err != nil {
		return err
	}
	if int64(len(w.raw)+len(event)) > w.stage && len(w.rows) > 0 {
		if err := w.drain(); err != nil {
			return err
		}
	}
	if int64(len(event)) > w.stage {
		// Too large to wait, and to be copied.
		return w.write(event, []staged{{len(event), r}})
	}
	w.raw = append(w.raw, event...)
	w.rows = append(w.rows, staged{len(w.raw), r})
	return nil
}

// drain writes the rows that wait into columns.
func (w *writer) drain() error {
	if len(w.rows) == 0 {
		return nil
	}
	err := w.write(w.raw, w.rows)
	clear(w.rows) // their changes are not ours to keep
	w.raw, w.rows = w.raw[:0], w.rows[:0]
	return err
}

// write puts rows into columns, in chunks that end where a row group does.
func (w *writer) write(raw []byte, rows []staged) error {
	begin := 0
	for len(rows) > 0 {
		n, start := 0, begin
		for n < len(rows) && n < chunkRows && (n == 0 || begin-start < chunkBytes) && !w.full() {
			end := rows[n].end
			w.row(raw[begin:end:end], &rows[n].row)
			w.rowsIn++
			w.rawIn += int64(end - begin)
			begin = end
			n++
		}
		rows = rows[n:]
		if err := w.chunk(int64(n), int64(begin-start)); err != nil {
			return err
		}
		if w.full() {
			if err := w.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}

// full reports whether the row group is to be ended.
func (w *writer) full() bool {
	return w.rawIn >= w.rowGroupBytes || w.rowGroupRows > 0 && w.rowsIn >= w.rowGroupRows
}

// row puts one row into the leaves.
func (w *writer) row(event []byte, r *format.Row) {
	e := &w.emit
	e.utf8 = utf8.Valid(event)
	e.changes, e.more = e.changes[:0], 0
	if len(w.root) > 0 || w.counts {
		if !w.lookup.Read(event) { // not checked by the caller, as it should be
			e.column, e.path = -1, e.path[:0]
			e.note(columns.Unfit)
		}
		for i, n := range w.root {
			e.column = i
			e.path = append(e.path[:0], step{n.name, -1})
			if w.fields[i].Rest {
				e.rest(n, w.lookup.More)
			} else {
				e.member(n, 0, w.lookup.Vals[i])
			}
		}
	}
	for i, p := range w.parts {
		switch n := w.metas[i]; p {
		case envelope.ID:
			start := len(e.text)
			e.text = envelope.AppendUUID(e.text, r.ID)
			e.put(n.leaf, parquet.ByteArrayValue(e.text[start:]), 0, n.def)
		case envelope.Time:
			e.put(n.leaf, parquet.Int64Value(r.At), 0, n.def)
		case envelope.Generation:
			e.put(n.leaf, parquet.Int64Value(w.run.GenerationID), 0, n.def)
		case envelope.Meta:
			w.metadata(n, r)
		case envelope.Data:
			e.emit(n, 0, columns.Value{Raw: event})
		case envelope.Root, envelope.Metadata, envelope.DataWithID:
		}
	}
}

// metadata puts the number of the sync, and what became of values: what the
// source noted, then what we did.
func (w *writer) metadata(n *node, r *format.Row) {
	e := &w.emit
	changes := r.Changes
	if len(e.changes) > 0 {
		changes = append(append([]columns.Change(nil), r.Changes...), e.changes...)
		if e.more > 0 {
			changes = append(changes, columns.Change{Field: fmt.Sprintf("%d more", e.more), Change: columns.Nulled, Reason: columns.NotConverted})
		}
	}
	// Texts of changes stay where they are until the chunk is written, so each
	// row's JSON needs a place of its own.
	start := len(e.text)
	e.text = w.env.Append(e.text, envelope.Meta, w.run, &format.Row{Changes: changes}, nil)
	e.utf8 = true
	e.emit(n, 0, columns.Value{Raw: e.text[start:len(e.text):len(e.text)]})
}

func (w *writer) misfit(column int, f columns.Fit) {
	name := ""
	if column >= 0 {
		name = w.fields[column].Name
	}
	if w.nulled[name] == nil {
		w.nulled[name] = map[string]int64{}
	}
	w.nulled[name][f.Reason()]++
}

// chunk gives the leaves' values, those of so many rows and bytes, to the row
// group, and begins one if need be.
func (w *writer) chunk(rows, size int64) error {
	for _, l := range w.emit.leaves {
		if w.group != nil && l.large && !l.unbounded {
			if err := w.cut(); err != nil { // before the rows of this chunk
				return err
			}
			w.rowsIn, w.rawIn = rows, size
		}
	}
	if w.group == nil {
		w.begin()
	}
	for i, c := range w.group.ColumnWriters() {
		l := w.emit.leaves[i]
		if _, err := c.WriteRowValues(l.vals); err != nil {
			return err
		}
		clear(l.vals)
		l.vals = l.vals[:0]
	}
	w.emit.text = w.emit.text[:0]
	return nil
}

// begin begins a row group. Texts of which at least half are repetitions in the
// first chunk get a dictionary.
func (w *writer) begin() {
	if w.seen == nil {
		w.seen = map[uint64]struct{}{}
	}
	for _, l := range w.emit.leaves {
		l.dictionary = false
		if !l.text || w.dictionaryBytes == 0 {
			continue
		}
		clear(w.seen)
		n := 0
		for _, v := range l.vals {
			if !v.IsNull() {
				n++
				w.seen[xxhash.Sum64(v.ByteArray())] = struct{}{}
			}
		}
		l.dictionary = n >= sampleMin && 2*len(w.seen) <= n
	}
	for _, l := range w.emit.leaves {
		if l.unbounded = l.large; l.unbounded {
			l.skip[0] = l.root
		}
	}
	w.open()
	w.group = w.file.BeginRowGroup()
	for _, l := range w.emit.leaves {
		l.dictionary = false
	}
}

// commit ends the row group and lets go of its memory.
func (w *writer) commit() error {
	w.rowsIn, w.rawIn = 0, 0
	return w.cut()
}

// cut ends the row group with what was written into it.
func (w *writer) cut() error {
	if w.group == nil {
		return nil
	}
	w.out.begin()
	_, err := w.group.Commit()
	w.group = nil
	if ferr := w.out.end(); err == nil {
		err = ferr
	}
	return err
}

// Buffered returns about what the writer holds for rows: those that wait, and
// the columns of the row group.
func (w *writer) Buffered() int64 {
	n := int64(cap(w.raw)) + int64(cap(w.rows))*stagedSize
	if w.group != nil {
		n += 2 * w.group.Size()
	}
	return n
}

const stagedSize = 56 // of a staged, in bytes

// Flush ends the row group and gives back all memory that it took.
func (w *writer) Flush() error {
	if err := w.drain(); err != nil {
		return err
	}
	w.raw, w.rows, w.emit.text, w.seen = nil, nil, nil, nil
	for _, l := range w.emit.leaves {
		l.vals = nil
	}
	w.lookup.Forget()
	for _, n := range slices.Concat(w.root, w.metas) {
		n.forget()
	}
	return w.commit()
}

// Close ends the file. How many values were nulled is in the file's metadata
// under strm.nulled: {"column":{"reason":count}}; how many members had no place
// in the schema, under strm.undeclared: {"path":count}, those of paths beyond the
// bound under the empty path.
func (w *writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	w.open()
	lost := w.losses()
	if w.run.Losses != nil {
		w.run.Losses.Add(&lost)
	}
	if len(w.nulled) > 0 {
		if err := w.note("strm.nulled", w.nulled); err != nil {
			return err
		}
	}
	if lost.Members() > 0 {
		if err := w.note("strm.undeclared", byPath(&lost)); err != nil {
			return err
		}
	}
	if w.env.Style != stream.EnvelopeNone {
		w.file.SetKeyValueMetadata("strm.envelope", string(w.env.Style))
	}
	w.out.begin()
	err := w.file.Close()
	if ferr := w.out.end(); err == nil {
		err = ferr
	}
	return err
}

// note puts JSON into the file's metadata.
func (w *writer) note(key string, of any) error {
	b, err := json.Marshal(of) // keys are sorted
	if err != nil {
		return err
	}
	w.file.SetKeyValueMetadata(key, string(b))
	return nil
}

// sink buffers what is written while a row group or the footer is, because they
// come in small pieces. Between them it holds nothing.
type sink struct {
	w io.Writer
	b *bufio.Writer
}

func (s *sink) begin() { s.b = bufio.NewWriterSize(s.w, 32<<10) }

func (s *sink) end() error {
	err := s.b.Flush()
	s.b = nil
	return err
}

// Write passes on.
func (s *sink) Write(p []byte) (int, error) {
	if s.b == nil {
		return s.w.Write(p)
	}
	return s.b.Write(p)
}
