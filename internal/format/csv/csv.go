// Package csv writes comma-separated values as RFC 4180 has them: lines end
// with CR LF, quotes are doubled. A cell is the text of a value: a string's own,
// JSON text for all else.
package csv

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/envelope"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Format is CSV.
type Format struct{}

var _ format.RowFormat = Format{}

// Name returns "csv".
func (Format) Name() string { return "csv" }

// Variant returns the variant for none (the default), gzip or zstd, after a look
// at all options. The version after the slash pins the bytes, as with jsonl.
func (Format) Variant(o stream.Output) (format.Variant, error) {
	if _, err := plan(o); err != nil {
		return format.Variant{}, err
	}
	const contentType = "text/csv"
	switch o.Compression {
	case "", format.None:
		return format.Variant{Compression: format.None, Ext: "csv", ContentType: contentType, Encoder: "csv/2"}, nil
	case format.Gzip:
		return format.Variant{Compression: format.Gzip, Ext: "csv.gz", ContentType: "application/gzip", Encoder: "csv-gzip/2"}, nil
	case format.Zstd:
		return format.Variant{Compression: format.Zstd, Ext: "csv.zst", ContentType: "application/zstd", Encoder: "csv-zstd/2"}, nil
	}
	return format.Variant{}, problem.New(problem.Invalid, "compression %q is not known for csv; use none, gzip or zstd", o.Compression)
}

// layout is how rows are laid out: what the options come to.
type layout struct {
	env    *envelope.Envelope
	parts  []envelope.Part
	root   bool            // the event's members are columns
	fields []columns.Field // declared, nil if they are to be found
	order  stream.ColumnOrder

	delimiter string
	null      string
	quote     stream.CSVQuote
	header    bool
	asText    bool     // numbers of the event count as text
	declared  bool     // fields come from a schema
	ignored   []string // members that it leaves out knowingly
}

func plan(o stream.Output) (*layout, error) {
	if o.Parquet != (stream.Parquet{}) {
		return nil, problem.New(problem.Invalid, "options of parquet are set, but the format is csv; leave them out, or choose that format")
	}
	env, err := envelope.Of(o, o.Envelope.Style == stream.EnvelopeNone)
	if err != nil {
		return nil, err
	}
	l := &layout{env: env, parts: env.Columns(), delimiter: o.CSV.Delimiter, null: o.CSV.Null, quote: o.CSV.Quote, order: o.Table.Order, header: !o.CSV.NoHeader}
	for _, p := range l.parts {
		l.root = l.root || p == envelope.Root
	}
	if l.delimiter == "" {
		l.delimiter = ","
	}
	if r, n := utf8.DecodeRuneInString(l.delimiter); n != len(l.delimiter) || r == utf8.RuneError || r == 0xFEFF ||
		unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("\x00\"\r\n+-.", r) {
		return nil, problem.New(problem.Invalid, "the delimiter %q must be one character that no number holds, and neither a letter, a quote nor a line break", o.CSV.Delimiter)
	}
	if len(l.null) > 64 || strings.ContainsAny(l.null, "\"\r\n") || strings.Contains(l.null, l.delimiter) || !utf8.ValidString(l.null) {
		return nil, problem.New(problem.Invalid, "the text for null, %.70q, must have at most 64 bytes, no quotes, line breaks or delimiters", l.null)
	}
	tarsal := env.Style == stream.EnvelopeTarsal || env.Style == stream.EnvelopeTarsalProse
	switch l.quote {
	case stream.QuoteAll, stream.QuoteNonNumeric, stream.QuoteNeeded:
	case stream.QuoteDefault:
		switch {
		case tarsal:
			l.quote = stream.QuoteAll
		case env.Style == stream.EnvelopeNone:
			l.quote = stream.QuoteNeeded
		default:
			l.quote = stream.QuoteNonNumeric
		}
	default:
		return nil, problem.New(problem.Invalid, "quoting %q is not known; use all, non-numeric or needed", l.quote)
	}
	l.asText = env.Style == stream.EnvelopeAirbyte0 // that version made text of every cell
	switch l.order {
	case stream.OrderByName, stream.OrderSchema:
	case stream.OrderDefault:
		l.order = stream.OrderSchema
		if tarsal || env.Style == stream.EnvelopeAirbyte0 {
			l.order = stream.OrderByName
		}
	default:
		return nil, problem.New(problem.Invalid, "column order %q is not known; use name or schema", l.order)
	}
	if l.root && o.Table.Schema != "" {
		if l.fields, err = columns.Parse([]byte(o.Table.Schema), o.Table.Strict); err != nil {
			return nil, err
		}
		if l.fields == nil {
			l.fields = []columns.Field{} // declared to have none
		}
		l.declared = true
		l.ignored = columns.Ignored([]byte(o.Table.Schema))
	}
	return l, nil
}

// Encode writes the events of the blocks. Without a schema the blocks are read
// twice, first for the columns.
func (f Format) Encode(w io.Writer, o stream.Output, in format.Input) (int64, error) {
	v, err := f.Variant(o)
	if err != nil {
		return 0, err
	}
	l, err := plan(o)
	if err != nil {
		return 0, err
	}
	if l.root && l.fields == nil {
		finder := columns.Finder{NamesOnly: true}
		n, err := envelope.Find(in, &finder)
		if err != nil {
			return 0, err
		}
		l.fields = finder.Fields()
		// No events: no header, as one that differs from other files' would make
		// readers of many files stumble.
		l.header = l.header && n > 0
	}
	return l.env.Rows(in, l.rows(w, v, envelope.RunOf(in)))
}

// Rows begins a file that is written row by row. With columns for the event's
// members it needs a schema.
func (f Format) Rows(w io.Writer, o stream.Output, run format.Run) (format.RowWriter, error) {
	v, err := f.Variant(o)
	if err != nil {
		return nil, err
	}
	l, err := plan(o)
	if err != nil {
		return nil, err
	}
	if l.root && l.fields == nil {
		return nil, problem.New(problem.Invalid, "csv with a column for each member needs a schema")
	}
	return l.rows(w, v, run), nil
}
