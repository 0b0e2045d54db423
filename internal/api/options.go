package api

import (
	"strm/internal/api/apiv1"
	"strm/internal/problem"
	"strm/internal/stream"
)

// envelopeNames returns where an envelope keeps each name, by what the API
// calls it.
func envelopeNames(e *stream.Envelope) map[string]*string {
	return map[string]*string{
		"metadata": &e.MetadataName, "id": &e.IDName, "time": &e.TimeName, "data": &e.DataName, "meta": &e.MetaName, "generation": &e.GenerationName,
	}
}

// editOutput returns what puts the options that are given into an output, nil
// for none.
func editOutput(in *apiv1.FileOptions) (func(*stream.Output), error) {
	if in == nil {
		return nil, nil
	}
	known := envelopeNames(&stream.Envelope{})
	for part := range in.EnvelopeNames {
		if known[part] == nil {
			return nil, problem.New(problem.Invalid, "envelope names: %q is not known; use metadata, id, time, data, meta or generation", part)
		}
	}
	return func(o *stream.Output) {
		give(&o.Flattening, in.Flattening)
		give(&o.Envelope.Style, in.Envelope)
		names := envelopeNames(&o.Envelope)
		for part, name := range in.EnvelopeNames {
			*names[part] = name
		}
		give(&o.Table.Schema, in.Schema)
		give(&o.Table.Order, in.ColumnOrder)
		set(&o.Table.Strict, in.StrictSchema)
		set(&o.Table.Clean, in.CleanNames)
		give(&o.CSV.Delimiter, in.CSVDelimiter)
		give(&o.CSV.Null, in.CSVNull)
		give(&o.CSV.Quote, in.CSVQuote)
		set(&o.CSV.NoHeader, in.CSVNoHeader)
		set(&o.Parquet.RowGroupBytes, in.RowGroupBytes)
		set(&o.Parquet.RowGroupRows, in.RowGroupRows)
		set(&o.Parquet.PageBytes, in.PageBytes)
		set(&o.Parquet.DictionaryBytes, in.DictionaryBytes)
		set(&o.Parquet.NoDictionary, in.NoDictionary)
	}, nil
}

// give sets a text, of whatever type, that is given.
func give[T ~string](field *T, value *string) {
	if value != nil {
		*field = T(*value)
	}
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// showOptions returns the options that are not the default, nil if all are.
func showOptions(o stream.Output) *apiv1.FileOptions {
	out := apiv1.FileOptions{
		Flattening: other(string(o.Flattening)), Envelope: other(string(o.Envelope.Style)),
		Schema: other(o.Table.Schema), StrictSchema: other(o.Table.Strict), ColumnOrder: other(string(o.Table.Order)), CleanNames: other(o.Table.Clean),
		CSVDelimiter: other(o.CSV.Delimiter), CSVNull: other(o.CSV.Null), CSVQuote: other(string(o.CSV.Quote)), CSVNoHeader: other(o.CSV.NoHeader),
		RowGroupBytes: other(o.Parquet.RowGroupBytes), RowGroupRows: other(o.Parquet.RowGroupRows), PageBytes: other(o.Parquet.PageBytes),
		DictionaryBytes: other(o.Parquet.DictionaryBytes), NoDictionary: other(o.Parquet.NoDictionary),
	}
	for part, name := range envelopeNames(&o.Envelope) {
		if *name != "" {
			if out.EnvelopeNames == nil {
				out.EnvelopeNames = map[string]string{}
			}
			out.EnvelopeNames[part] = *name
		}
	}
	if (o.Envelope == stream.Envelope{} && o.Table == stream.Table{} && o.CSV == stream.CSV{} && o.Parquet == stream.Parquet{} && o.Flattening == "") {
		return nil
	}
	return &out
}

// other returns a value that is not the zero one, else nil.
func other[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
