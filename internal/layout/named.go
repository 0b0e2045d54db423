package layout

import (
	"sort"
	"strings"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Form is what a layout fixes of the objects themselves. Empty fields leave it
// to the format.
type Form struct {
	Ext         string // without a leading dot
	ContentType string
	Encoding    string // Content-Encoding
	Encrypt     bool   // ask the store to encrypt, where neither sink nor bucket says otherwise
}

// Settings are what an exporter of a layout gets where its owner says nothing.
type Settings struct {
	Format      string
	Compression string // of files, or of Parquet's pages; empty: the format's default
	Envelope    stream.EnvelopeStyle
	Schema      string // JSON Schema of an event
	Cut         stream.Cut
}

// preset is what a name stands for.
type preset struct {
	template string
	form     Form
	defaults Settings
	only     bool   // no other format than the default
	codecs   bool   // with only: any compression of that format, which the keys name; else the default alone
	holds    string // what such objects are, for the refusal
}

// named are the named layouts.
var named = map[string]preset{
	// As the STRM seeds name files, with the stream's name instead of an
	// internal id, and the batch so that two cuts in one second differ.
	"strm": {template: "{time}-{stream}-{batch}---{partitions}.{ext}", defaults: plain},
	"hive": {template: "{stream}/dt={date}/hour={hour}/{time}-{batch}.{ext}", defaults: plain},
	// As Segment's Amazon S3 destination has it: the same directories, headers,
	// hour and size. The names of its files are not documented; readers take *.gz.
	"segment": {
		template: "segment-logs/{source}/{day_ms}/{time}-{batch}.{ext}",
		form:     Form{Ext: "gz", ContentType: "text/plain", Encoding: "gzip", Encrypt: true},
		defaults: Settings{Format: "jsonl", Compression: "gzip", Cut: stream.Cut{Interval: time.Hour, Offset: 40 * time.Minute, MaxPacked: 100_000_000}},
		only:     true, holds: "gzip JSON lines",
	},
	// As Tarsal's S3 destination has it: a directory a stream, named with
	// underscores; date and millisecond of the upload, of which ours is planned.
	// The last number is always 0 there.
	"tarsal": {
		template: "{stream_underscored}/{cut_date}_{cut_ms}_0.{ext}",
		defaults: Settings{Format: "jsonl", Compression: "none", Envelope: stream.EnvelopeTarsal, Cut: plain.Cut},
	},
	// As Airbyte's S3 destination has it by default, where streams have no
	// namespace.
	"airbyte": {
		template: "{stream}/{cut_year}_{cut_month}_{cut_day}_{cut_ms}_{part}.{ext}",
		defaults: Settings{Format: "jsonl", Compression: "gzip", Envelope: stream.EnvelopeAirbyte1, Cut: plain.Cut},
	},
	// Impressions as Harness FME (Split) exports them. Its page names the folder
	// in one place and the root of the bucket in another, hence two.
	"fme":      {template: "schema-v1/{time}-{batch}.{ext}", defaults: impressions, only: true, codecs: true, holds: "impressions in parquet"},
	"fme-root": {template: "{time}-{batch}.{ext}", defaults: impressions, only: true, codecs: true, holds: "impressions in parquet"},
}

// plain are the defaults of layouts that ask for nothing in particular.
var plain = Settings{Format: "jsonl", Cut: stream.Cut{Interval: time.Minute}}

// Names returns the named layouts, sorted.
func Names() []string {
	out := make([]string, 0, len(named))
	for n := range named {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// Form returns what the layout fixes of the objects.
func (l Layout) Form() Form { return l.preset.form }

// Defaults returns what an exporter gets where its owner says nothing.
func (l Layout) Defaults() Settings { return l.preset.defaults }

// Ext returns what keys end in, without a leading dot, where a format with this
// compression has an extension of ext.
func (l Layout) Ext(compression, ext string) string {
	if own := l.preset.form.Ext; own != "" {
		return own
	}
	if infix := codecNames[compression]; l.preset.codecs && infix != "" {
		return infix + "." + ext
	}
	return ext
}

// codecNames are the codecs of pages as Parquet's own tools have them in names.
var codecNames = map[string]string{"snappy": "snappy", "gzip": "gz", "zstd": "zstd", "lzo": "lzo", "lz4": "lz4raw", "brotli": "br"}

// Fixed reports whether the layout's default format, and its compression if it
// has one, are the only ones it takes.
func (l Layout) Fixed() bool { return l.preset.only }

// CheckForm refuses a format or compression that the layout does not take. The
// error has kind Invalid.
func (l Layout) CheckForm(format, compression string) error {
	d := l.preset.defaults
	switch {
	case !l.preset.only:
		return nil
	case format != d.Format:
		return problem.New(problem.Invalid, "layout %s holds %s: format %q does not fit; leave it out, or give %s", l.name, l.preset.holds, format, d.Format)
	case compression != d.Compression && !l.preset.codecs:
		return problem.New(problem.Invalid, "layout %s holds %s: compression %q does not fit; leave it out, or give %s", l.name, l.preset.holds, compression, d.Compression)
	}
	return nil
}

// NeedsSource reports whether the keys name a segment source.
func (l Layout) NeedsSource() bool { return l.has("source") }

// Constant returns the directories that every key begins with, with their
// slash: "segment-logs/"; "" if the first directory varies, or there is none.
func (l Layout) Constant() string {
	if len(l.parts) == 0 || l.parts[0].variable != "" {
		return ""
	}
	text := l.parts[0].literal
	return text[:strings.LastIndexByte(text, '/')+1]
}

// DayDepth returns how many directories of a key, counted from behind the
// prefix, it takes to name the day of receipt; 0 if they do not.
func (l Layout) DayDepth() int {
	depth, at := 0, 0
	named := false
	for _, p := range l.parts {
		switch p.variable {
		case "":
			n := strings.Count(p.literal, "/")
			if named && n > 0 {
				depth, named = at+1, false
			}
			at += n
		case "date", "year", "month", "day", "day_ms":
			named = true
		}
	}
	return depth
}
