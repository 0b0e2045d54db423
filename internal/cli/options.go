package cli

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
)

// optionFlags are the options of formats.
type optionFlags struct {
	flattening, envelope, schema, order, delimiter, null, quote string
	rowGroup, page, dictionary                                  string
	rows                                                        int64
	names                                                       map[string]string
	strict, clean, noHeader, noDictionary                       bool
}

func (f *optionFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.flattening, "flattening", "", "root: a column, or member, for each member of an event; none: the event as one (default: root for csv without an envelope, else none; parquet is always root)")
	fl.StringVar(&f.envelope, "envelope", "", "write id and time around each event: tarsal, tarsal-prose (csv as that vendor's prose has it), airbyte-0.x or airbyte-1.x; \"\" for the layout's, mostly none")
	fl.StringToStringVar(&f.names, "envelope-name", nil, "other names in the envelope: id=NAME, time=NAME, metadata=NAME, data=NAME, meta=NAME, generation=NAME")
	fl.StringVar(&f.schema, "schema", "", "file with the JSON Schema of an event, '-' for standard input, \"\" for none: the columns of csv and parquet and their types (default: found in the events of each object)")
	fl.BoolVar(&f.strict, "strict-schema", false, "refuse types that are not known instead of keeping such values as JSON text")
	fl.StringVar(&f.order, "column-order", "", "order of columns: name, or schema")
	fl.BoolVar(&f.clean, "clean-names", false, "parquet: column names of letters, digits and '_' only; always so with an envelope")
	fl.StringVar(&f.delimiter, "csv-delimiter", "", "character between cells, or tab (default ',')")
	fl.StringVar(&f.null, "csv-null", "", "text of a cell that is null or missing")
	fl.StringVar(&f.quote, "csv-quote", "", "cells in quotes: all, non-numeric, or those that need it (needed)")
	fl.BoolVar(&f.noHeader, "csv-no-header", false, "no line with the names of the columns")
	fl.StringVar(&f.rowGroup, "row-group-bytes", "", "parquet: end a row group at this size of its events as JSON (default 16MiB)")
	fl.Int64Var(&f.rows, "row-group-rows", 0, "parquet: likewise at this many events (0 for no bound)")
	fl.StringVar(&f.page, "page-bytes", "", "parquet: size of a column's page before compression (default 256KiB)")
	fl.StringVar(&f.dictionary, "dictionary-bytes", "", "parquet: size at which a column's dictionary is given up (default 1MiB)")
	fl.BoolVar(&f.noDictionary, "no-dictionary", false, "parquet: no dictionaries")
	complete(c, "flattening", "none", "root")
	complete(c, "envelope", "tarsal", "tarsal-prose", "airbyte-0.x", "airbyte-1.x")
	complete(c, "column-order", "name", "schema")
	complete(c, "csv-quote", "all", "non-numeric", "needed")
	for _, free := range []string{"envelope-name", "csv-delimiter", "csv-null", "row-group-bytes", "row-group-rows", "page-bytes", "dictionary-bytes"} {
		complete(c, free)
	}
}

// options returns what was given, nil for nothing.
func (f *optionFlags) options(cmd *cobra.Command) (*apiv1.FileOptions, error) {
	var out apiv1.FileOptions
	given := cmd.Flags().Changed
	some := false
	texts := map[string]struct {
		to   **string
		from *string
	}{
		"flattening": {&out.Flattening, &f.flattening}, "envelope": {&out.Envelope, &f.envelope}, "column-order": {&out.ColumnOrder, &f.order},
		"csv-delimiter": {&out.CSVDelimiter, &f.delimiter}, "csv-null": {&out.CSVNull, &f.null}, "csv-quote": {&out.CSVQuote, &f.quote},
	}
	for flag, t := range texts {
		if given(flag) {
			*t.to, some = t.from, true
		}
	}
	if f.delimiter == "tab" || f.delimiter == `\t` {
		f.delimiter = "\t"
	}
	bools := map[string]struct {
		to   **bool
		from *bool
	}{
		"strict-schema": {&out.StrictSchema, &f.strict}, "clean-names": {&out.CleanNames, &f.clean},
		"csv-no-header": {&out.CSVNoHeader, &f.noHeader}, "no-dictionary": {&out.NoDictionary, &f.noDictionary},
	}
	for flag, b := range bools {
		if given(flag) {
			*b.to, some = b.from, true
		}
	}
	sizes := map[string]struct {
		to   **int64
		from string
	}{
		"row-group-bytes": {&out.RowGroupBytes, f.rowGroup}, "page-bytes": {&out.PageBytes, f.page}, "dictionary-bytes": {&out.DictionaryBytes, f.dictionary},
	}
	for flag, s := range sizes {
		if given(flag) {
			n, err := parseSize(s.from)
			if err != nil {
				return nil, err
			}
			*s.to, some = &n, true
		}
	}
	if given("row-group-rows") {
		out.RowGroupRows, some = &f.rows, true
	}
	if given("envelope-name") {
		out.EnvelopeNames, some = f.names, true
	}
	if given("schema") {
		text, err := readSchema(cmd, f.schema)
		if err != nil {
			return nil, err
		}
		out.Schema, some = &text, true
	}
	if !some {
		return nil, nil
	}
	return &out, nil
}

// readSchema reads the file of --schema.
func readSchema(cmd *cobra.Command, path string) (string, error) {
	var b []byte
	var err error
	switch path {
	case "":
		return "", nil
	case "-":
		b, err = io.ReadAll(io.LimitReader(cmd.InOrStdin(), 2<<20))
	default:
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return "", usagef("--schema: %v", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", usagef("--schema: %s is empty", path)
	}
	return text, nil
}
