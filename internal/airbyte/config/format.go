package config

import (
	"strings"

	"strm/internal/airbyte/paths"
	"strm/internal/problem"
	"strm/internal/stream"
)

// largestRowGroup bounds what a Parquet writer holds, whatever block_size_mb says.
const largestRowGroup = 64 << 20

func (c *Config) tarsal() bool { return c.Output.Layout == "tarsal" }

// format reads what files look like.
func (c *Config) format(v *values) error {
	c.Output.Layout = v.one("layout", "airbyte", map[string]string{"airbyte": "airbyte", "tarsal": "tarsal"}, "airbyte, tarsal")
	f := v.object("format")
	if v.err != nil {
		return v.err
	}
	switch kind := f.text("format_type"); strings.ToUpper(kind) {
	case "CSV":
		c.Output.Format = "csv"
	case "JSONL":
		c.Output.Format = "jsonl"
	case "PARQUET":
		c.Output.Format = "parquet"
	case "AVRO":
		return problem.New(problem.Invalid, "format.format_type Avro is not supported; use Parquet, CSV or JSONL")
	case "":
		return problem.New(problem.Invalid, "format.format_type is missing; use CSV, JSONL or Parquet")
	default:
		return problem.New(problem.Invalid, "format.format_type %.40q is not known; use CSV, JSONL or Parquet", kind)
	}
	if c.Output.Format == "parquet" {
		c.parquet(f)
	} else {
		c.lines(f)
	}
	if v.err == nil {
		v.err = f.err
	}
	if v.err != nil {
		return v.err
	}
	return c.columns(v)
}

func (c *Config) lines(f *values) {
	c.Output.Flattening = stream.Flattening(f.one("flattening", string(stream.FlattenNone), map[string]string{
		"no flattening": string(stream.FlattenNone), "root level flattening": string(stream.FlattenRoot),
	}, `"No flattening", "Root level flattening"`))
	if c.tarsal() && c.Output.Format == "jsonl" && c.Output.Flattening == stream.FlattenRoot {
		c.Warnings = append(c.Warnings, "format.flattening is for CSV in the layout tarsal; JSONL stays as it is")
		c.Output.Flattening = stream.FlattenNone
	}
	missing := "gzip"
	if c.tarsal() {
		missing = "none"
	}
	z := f.object("compression")
	c.Output.Compression = z.one("compression_type", missing, map[string]string{"no compression": "none", "gzip": "gzip"}, `"No Compression", "GZIP"`)
	if f.err == nil {
		f.err = z.err
	}
}

func (c *Config) parquet(f *values) {
	c.Output.Flattening = stream.FlattenDefault
	c.Output.Compression = f.one("compression_codec", "none", map[string]string{
		"uncompressed": "none", "snappy": "snappy", "gzip": "gzip", "brotli": "brotli", "lz4": "lz4", "zstd": "zstd",
	}, "UNCOMPRESSED, SNAPPY, GZIP, BROTLI, LZ4, ZSTD (LZO is not supported)")
	p := &c.Output.Parquet
	for _, size := range []struct {
		key  string
		unit int64
		max  int64
		to   *int64
	}{
		{"block_size_mb", 1 << 20, largestRowGroup, &p.RowGroupBytes},
		{"page_size_kb", 1 << 10, 16 << 20, &p.PageBytes},
		{"dictionary_page_size_kb", 1 << 10, 16 << 20, &p.DictionaryBytes},
	} {
		n := f.number(size.key, 0)
		if n < 0 {
			f.wrong(size.key, "above 0")
			return
		}
		*size.to = min(min(n, 1<<30)*size.unit, size.max)
	}
	p.NoDictionary = !f.boolean("dictionary_encoding", true)
	_ = f.number("max_padding_size_mb", 0) // of another file system: read, and of no consequence
}

// columns reads what stands beside the data.
func (c *Config) columns(v *values) error {
	style, order := stream.EnvelopeAirbyte1, stream.OrderDefault
	switch v.one("columns_version", "1.5", map[string]string{
		"0.x": "0", "0.1": "0", "0.6": "0", "1.0": "1.0", "1.x": "1.5", "1.5": "1.5",
	}, "0.x, 1.0, 1.5") {
	case "0":
		style = stream.EnvelopeAirbyte0
	case "1.0":
		order = stream.OrderByName
	}
	if c.tarsal() {
		style = stream.EnvelopeTarsal
		if v.has("columns_version") {
			return problem.New(problem.Invalid, "columns_version is for the layout airbyte; the layout tarsal has csv_layout")
		}
	}
	own := v.one("csv_layout", "", map[string]string{
		"tarsal": string(stream.EnvelopeTarsal), "tarsal prose": string(stream.EnvelopeTarsalProse),
		"airbyte 0.x": string(stream.EnvelopeAirbyte0), "airbyte 1.x": string(stream.EnvelopeAirbyte1),
	}, "tarsal, tarsal-prose, airbyte-0.x, airbyte-1.x")
	if own != "" && c.Output.Format == "csv" {
		style = stream.EnvelopeStyle(own)
	}
	names := v.object("column_names")
	c.Output.Envelope = stream.Envelope{
		Style: style, MetadataName: names.text("metadata"), IDName: names.text("id"), TimeName: names.text("time"),
		DataName: names.text("data"), MetaName: names.text("meta"), GenerationName: names.text("generation"),
	}
	if v.err == nil {
		v.err = names.err
	}
	c.Flat = c.Output.Format == "parquet" ||
		c.Output.Format == "csv" && c.Output.Flattening == stream.FlattenRoot && style != stream.EnvelopeTarsalProse
	if c.Flat {
		c.Output.Table.Order = order
		c.Output.Table.Strict = v.boolean("strict_types", false)
	}
	return nil
}

// names reads what keys look like.
func (c *Config) names(v *values) (err error) {
	c.StreamPrefix = v.text("stream_prefix")
	format, pattern := v.text("s3_path_format"), v.text("file_name_pattern")
	if !c.tarsal() {
		c.Paths, err = paths.Parse(c.Path, format, pattern)
		return err
	}
	if format != "" || pattern != "" {
		return problem.New(problem.Invalid, "s3_path_format and file_name_pattern are for the layout airbyte; the layout tarsal has names of its own")
	}
	c.Paths, err = paths.Tarsal(c.Path)
	return err
}
