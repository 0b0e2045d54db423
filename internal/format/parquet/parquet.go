// Package parquet writes Apache Parquet files: data pages of version 1, plain or
// dictionary encoded, which every reader knows.
//
// Memory: a writer holds the compressed pages of one row group, and a page of
// each column before compression. With the default of 16 MiB of JSON in a row
// group that is 10 to 20 MB, whatever the size of the file; see Format.Rows for
// many files at once. The footer grows with the number of row groups.
package parquet

import (
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/brotli"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Defaults, and the largest values that make sense.
const (
	rowGroupBytes   = 16 << 20
	pageBytes       = 256 << 10
	dictionaryBytes = 1 << 20
	maxRowGroup     = 1 << 30
	maxPage         = 16 << 20
)

// Format is Parquet. The zero value is ready.
type Format struct{}

var _ format.RowFormat = Format{}

// Name returns "parquet".
func (Format) Name() string { return "parquet" }

// Variant returns the variant for a codec of its pages: snappy (the default),
// zstd, gzip, lz4, lzo, brotli or none, after a look at all options. The version
// after the slash pins the bytes, as with jsonl.
func (Format) Variant(o stream.Output) (format.Variant, error) {
	if _, err := plan(o); err != nil {
		return format.Variant{}, err
	}
	c := o.Compression
	if c == "" {
		c = "snappy"
	}
	v := format.Variant{Compression: c, Ext: "parquet", ContentType: "application/vnd.apache.parquet", Encoder: "parquet-" + c + "/3"}
	_, err := codec(c)
	return v, err
}

const codecs = "snappy, zstd, gzip, lz4, lzo, brotli or none"

func codec(name string) (compress.Codec, error) {
	switch name {
	case "none":
		return &uncompressed.Codec{}, nil
	case "", "snappy":
		return &snappy.Codec{}, nil
	case "gzip":
		return &gzip.Codec{Level: gzip.DefaultCompression}, nil
	case "zstd":
		return &zstdCodec{window: pageBytes}, nil
	case "lz4":
		return &lz4.Codec{Level: lz4.Fastest}, nil
	case "brotli":
		return &brotli.Codec{Quality: 4, LGWin: 18}, nil
	case "lzo":
		return lzoCodec{}, nil
	case "bzip2":
		return nil, problem.New(problem.Invalid, "bzip2 is no codec of parquet, so no reader would take such a file; use %s", codecs)
	}
	return nil, problem.New(problem.Invalid, "compression %q is not known for parquet; use %s", name, codecs)
}

// layout is what the options come to.
type layout struct {
	env    *envelope.Envelope
	parts  []envelope.Part
	fields []columns.Field // declared, nil if they are to be found
	order  stream.ColumnOrder
	clean  bool

	declared bool     // fields come from a schema
	ignored  []string // members that it leaves out knowingly

	codec           string
	rowGroupBytes   int64
	rowGroupRows    int64
	pageBytes       int64
	dictionaryBytes int64 // 0: no dictionaries
}

func plan(o stream.Output) (*layout, error) {
	if o.CSV != (stream.CSV{}) {
		return nil, problem.New(problem.Invalid, "options of csv are set, but the format is parquet; leave them out, or choose that format")
	}
	env, err := envelope.Of(o, true)
	if err != nil {
		return nil, err
	}
	if !env.Flat {
		return nil, problem.New(problem.Invalid, "parquet has a column for each member of an event; leave the flattening out, or choose root")
	}
	l := &layout{
		env: env, order: o.Table.Order, clean: o.Table.Clean || env.Style != stream.EnvelopeNone, codec: o.Compression,
		rowGroupBytes: rowGroupBytes, rowGroupRows: o.Parquet.RowGroupRows, pageBytes: pageBytes, dictionaryBytes: dictionaryBytes,
	}
	for _, s := range []struct {
		name     string
		got, max int64
		to       *int64
	}{
		{"row group bytes", o.Parquet.RowGroupBytes, maxRowGroup, &l.rowGroupBytes},
		{"row group rows", o.Parquet.RowGroupRows, 1 << 40, &l.rowGroupRows},
		{"page bytes", o.Parquet.PageBytes, maxPage, &l.pageBytes},
		{"dictionary bytes", o.Parquet.DictionaryBytes, maxPage, &l.dictionaryBytes},
	} {
		if s.got < 0 || s.got > s.max {
			return nil, problem.New(problem.Invalid, "%s must be between 1 and %d, or 0 for the default", s.name, s.max)
		}
		if s.got > 0 {
			*s.to = s.got
		}
	}
	l.pageBytes = max(l.pageBytes, 1<<10)
	if o.Parquet.NoDictionary {
		l.dictionaryBytes = 0
	}
	for _, p := range env.Columns() {
		if p == envelope.Data {
			p = envelope.Root // the prose of tarsal-prose is about CSV
		}
		l.parts = append(l.parts, p)
	}
	switch l.order {
	case stream.OrderByName, stream.OrderSchema:
	case stream.OrderDefault:
		l.order = stream.OrderSchema
	default:
		return nil, problem.New(problem.Invalid, "column order %q is not known; use name or schema", l.order)
	}
	if o.Table.Schema != "" {
		fields, err := columns.Parse([]byte(o.Table.Schema), o.Table.Strict)
		if err != nil {
			return nil, err
		}
		if env.Style == stream.EnvelopeAirbyte0 {
			fields = append(fields, columns.Rest("_airbyte_additional_properties"))
		}
		if fields == nil {
			fields = []columns.Field{} // declared to have none
		}
		l.fields, l.declared = fields, true
		l.ignored = columns.Ignored([]byte(o.Table.Schema))
	}
	return l, nil
}

// Encode writes the events of the blocks. Without a schema the blocks are read
// twice, first for the columns.
func (f Format) Encode(w io.Writer, o stream.Output, in format.Input) (int64, error) {
	if _, err := f.Variant(o); err != nil {
		return 0, err
	}
	l, err := plan(o)
	if err != nil {
		return 0, err
	}
	if l.fields == nil {
		var finder columns.Finder
		if _, err := envelope.Find(in, &finder); err != nil {
			return 0, err
		}
		l.fields = finder.Fields()
	}
	rows, err := l.writer(w, envelope.RunOf(in))
	if err != nil {
		return 0, err
	}
	return l.env.Rows(in, rows)
}

// Rows begins a file that is written row by row. It needs a schema.
//
// A writer collects Run.Stage bytes of rows before it makes columns of them. For
// many files at once let Stage be as large as a row group, and Flush the writer
// with the largest Buffered when all together hold too much: then a writer holds
// its rows and about 90 KB, and only the one that is being flushed holds columns.
func (f Format) Rows(w io.Writer, o stream.Output, run format.Run) (format.RowWriter, error) {
	if _, err := f.Variant(o); err != nil {
		return nil, err
	}
	l, err := plan(o)
	if err != nil {
		return nil, err
	}
	if l.fields == nil {
		return nil, problem.New(problem.Invalid, "parquet needs a schema when rows come one by one")
	}
	return l.writer(w, run)
}

// schema returns the columns as a tree and as Parquet has them.
func (l *layout) schema() (parts []envelope.Part, metas []*node, root []*node, s *parquet.Schema, leaves []*leaf) {
	b := builder{}
	var fields []parquet.Field
	var names []string
	parts = l.parts
	if len(parts) == 1 && len(l.fields) == 0 {
		parts = []envelope.Part{envelope.Data} // there is no file without a column
	}
	for _, p := range parts {
		if p != envelope.Root {
			names = append(names, l.env.Name(p))
			n, pn := b.build(partType(p), false, 0, 0)
			metas = append(metas, n)
			fields = append(fields, &field{pn, l.env.Name(p)})
			continue
		}
		metas = append(metas, nil)
		l.fields = columns.Named(l.fields, l.clean, names...)
		if l.order == stream.OrderByName {
			columns.SortByName(l.fields)
		}
		for _, f := range l.fields {
			n, pn := b.build(f.Type, f.Required, 0, 0)
			n.name, n.blank = f.Key, f.Blank
			if f.Rest {
				n.name = f.Name
			}
			root = append(root, n)
			fields = append(fields, &field{pn, f.Name})
		}
	}
	s = parquet.NewSchema("event", group{fields: fields})
	for i, path := range s.Columns() {
		l := b.leaves[i]
		l.root, l.skip = path[0], append([]string(nil), path...)
		l.skip[0] = "" // no column is called so
	}
	return parts, metas, root, s, b.leaves
}

// partType returns the type of a part of the envelope.
func partType(p envelope.Part) *columns.Type {
	text := &columns.Type{Kind: columns.String}
	switch p {
	case envelope.Time:
		return &columns.Type{Kind: columns.Millis}
	case envelope.Generation:
		return &columns.Type{Kind: columns.Int64}
	case envelope.Meta:
		change := &columns.Type{Kind: columns.Object, Fields: []columns.Field{
			{Key: "field", Name: "field", Type: text}, {Key: "change", Name: "change", Type: text}, {Key: "reason", Name: "reason", Type: text},
		}}
		return &columns.Type{Kind: columns.Object, Fields: []columns.Field{
			{Key: "sync_id", Name: "sync_id", Type: &columns.Type{Kind: columns.Int64}},
			{Key: "changes", Name: "changes", Type: &columns.Type{Kind: columns.List, Elem: change}},
		}}
	case envelope.Data:
		return &columns.Type{Kind: columns.JSON}
	case envelope.ID, envelope.Metadata, envelope.DataWithID, envelope.Root:
	}
	return text
}
