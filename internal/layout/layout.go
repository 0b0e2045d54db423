// Package layout names objects: it turns the facts of a planned object into
// its key. A layout is a template; the named layouts are templates too.
//
// Variables, all but {ext} free of characters that some reader of keys breaks on:
//
//	{stream}      the stream's name, behind the exporter's stream prefix, cleaned
//	              as Airbyte does (package keyname)
//	{stream_underscored}
//	              the same, with '_' for hyphens too, as Tarsal has it
//	{time}        when the batch was cut, UTC: 2026-03-26T09-56-30Z
//	{batch}       the batch's id: 8 hex digits of the exporter, its number. Unique
//	{seq}         its number alone: 42
//	{uuid}        a UUID (version 5) of the batch's id and {part}. Unique
//	{part}        the number of the object within its batch, from 0
//	{partitions}  the partitions in the object: 0-1-2-3-4 (more than 32: 0_63)
//	{cut_ms}      when the batch was cut, as Unix milliseconds
//	{cut_date}    the same instant's UTC day: 2026_03_26
//	{cut_year} {cut_month} {cut_day} {cut_hour} {cut_minute} {cut_second}
//	              parts of the same instant; {cut_millisecond} has four digits
//	{date} {year} {month} {day} {hour}
//	              when the events were received, UTC. A batch becomes one object
//	              for each day (or hour) that its events fall into
//	{day_ms}      the same day as Unix milliseconds of its beginning: 1795132800000
//	{source}      the id of the segment source that the stream belongs to
//	{ext}         jsonl, jsonl.gz, ...
//
// Keys are relative to the exporter's path prefix. They have {batch}, {uuid} or
// {cut_ms}; with the last alone they are others' keys too (Layout.ByMoment).
package layout

import (
	"math"
	"strings"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Division says into how many objects a batch falls.
type Division uint8

// The divisions.
const (
	Whole  Division = iota // one object
	ByDay                  // one for each UTC day of receipt
	ByHour                 // one for each UTC hour of receipt
)

// Start returns the beginning of the division that t falls into; the zero
// time for Whole.
func (d Division) Start(t time.Time) time.Time {
	switch d {
	case Whole:
		return time.Time{}
	case ByDay:
		return t.UTC().Truncate(24 * time.Hour)
	case ByHour:
		return t.UTC().Truncate(time.Hour)
	}
	return time.Time{}
}

// Facts are what a key may depend on.
type Facts struct {
	Prefix     string
	Stream     string // with the exporter's stream prefix
	Source     string // id of the segment source; empty where the layout does not name one
	Batch      string
	Seq        int64
	Part       int // number of the object within the batch, from 0
	CutAt      time.Time
	Received   time.Time // start of the division; zero for Whole
	Partitions []stream.Partition
	Ext        string // the format's; a layout may have its own
	// Compression tells the extensions of a layout that names codecs; others pass
	// over it.
	Compression string
}

// Layout is a parsed template. Its methods are pure.
type Layout struct {
	name     string // empty for a template
	preset   preset
	parts    []part
	division Division
}

type part struct {
	literal  string
	variable string // empty for a literal
	write    writer
}

// maxKey is the longest key S3 takes, in bytes.
const maxKey = 1024

// MaxParts is how many objects a batch may become.
const MaxParts = 64

// maxListed is how many partitions {partitions} lists one by one.
const maxListed = 32

// Parse returns the layout of that name, or the template if text contains a
// variable. Errors have kind Invalid and say what to write instead.
func Parse(text string) (Layout, error) {
	if text == "" {
		text = "strm"
	}
	name, set := text, preset{defaults: plain}
	if known, ok := named[text]; ok {
		text, set = known.template, known
	} else if name = ""; !strings.Contains(text, "{") {
		return Layout{}, problem.New(problem.Invalid, "layout %q is not known; use one of %s, or a template such as %q",
			text, strings.Join(Names(), ", "), named["hive"].template)
	}
	text = strings.TrimPrefix(text, "{prefix}/")
	l, err := parseTemplate(text)
	if err != nil {
		return Layout{}, err
	}
	l.name, l.preset = name, set
	return l, l.check(text)
}

func parseTemplate(text string) (Layout, error) {
	var l Layout
	for rest := text; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			open = len(rest)
		}
		if open > 0 {
			if strings.IndexByte(rest[:open], '}') >= 0 {
				return Layout{}, problem.New(problem.Invalid, "layout %q: '}' without '{'", text)
			}
			l.parts = append(l.parts, part{literal: rest[:open]})
			rest = rest[open:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return Layout{}, problem.New(problem.Invalid, "layout %q: '{' without '}'", text)
		}
		v := rest[1:end]
		write, ok := variables[v]
		if !ok {
			return Layout{}, problem.New(problem.Invalid, "layout %q: unknown variable {%s}; known are %s", text, v, Variables())
		}
		l.division = max(l.division, divisions[v])
		l.parts = append(l.parts, part{variable: v, write: write})
		rest = rest[end+1:]
	}
	return l, nil
}

// check refuses templates whose keys could collide or that readers could not use.
func (l Layout) check(text string) error {
	if !l.unique() && !l.has("cut_ms") {
		return problem.New(problem.Invalid, "layout %q: put {batch} in it (or {uuid}, or {cut_ms}), or two batches could get one key", text)
	}
	if n := len(l.parts); n < 2 || l.parts[n-1].variable != "ext" || !strings.HasSuffix(l.parts[n-2].literal, ".") {
		return problem.New(problem.Invalid, "layout %q: end it with .{ext}", text)
	}
	if day := l.has("date") || l.has("day_ms") || l.has("year") && l.has("month") && l.has("day"); l.division != Whole && !day {
		return problem.New(problem.Invalid, "layout %q: name the whole day ({date}, {day_ms}, or {year} {month} {day}), or two of them would get one key", text)
	}
	if err := stream.CheckPathPrefix(l.Key(sample(Facts{Stream: "s", Source: "i", Ext: "jsonl"}, 1))); err != nil {
		return problem.New(problem.Invalid, "layout %q makes bad keys: %w", text, err)
	}
	return nil
}

func (l Layout) has(variable string) bool {
	for _, p := range l.parts {
		if p.variable == variable {
			return true
		}
	}
	return false
}

// unique reports whether no other exporter makes such a key, wherever it runs.
func (l Layout) unique() bool { return l.has("batch") || l.has("uuid") }

// ByMoment reports whether only the millisecond of the cut tells the layout's
// keys apart. Then another batch, or another's exporter, may have the same key:
// who plans must look for a free millisecond, "exists" proves nothing, and no
// object may be written without a condition.
func (l Layout) ByMoment() bool { return !l.unique() }

// NamesStream reports whether the keys name the stream.
func (l Layout) NamesStream() bool { return l.has("stream") || l.has("stream_underscored") }

// Division says how the layout divides a batch.
func (l Layout) Division() Division { return l.division }

// CheckLength refuses a prefix, stream, source and extension (the other facts
// do not matter) whose longest possible key would not fit, whatever the batch,
// its number and the partitions that have events in it.
func (l Layout) CheckLength(f Facts, partitions int) error {
	f = sample(f, partitions)
	f.Seq = math.MaxInt64
	f.Batch = stream.BatchID("00000000", f.Seq)
	if l.division != Whole {
		f.Part = MaxParts - 1
	}
	// The longest list is that of the highest partitions, as many as are listed.
	f.Partitions = f.Partitions[max(0, len(f.Partitions)-maxListed):]
	if n := max(len(l.Key(f)), len(l.TestKey(f, sampleUUID))); n > maxKey {
		return problem.New(problem.Invalid, "keys would be up to %d bytes long, S3 takes %d: shorten the path prefix or the layout", n, maxKey)
	}
	return nil
}

const sampleUUID = "00000000-0000-0000-0000-000000000000"

// TestKey returns the key of the validation object that has this UUID: below
// the directories that every key begins with, and with the ending of all.
func (l Layout) TestKey(f Facts, uuid string) string {
	key := l.Constant() + ".strm_test_" + uuid + "." + l.Ext(f.Compression, f.Ext)
	if f.Prefix != "" {
		key = f.Prefix + "/" + key
	}
	return key
}

// sample fills in what a key of some batch may have.
func sample(f Facts, partitions int) Facts {
	t := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	f.Seq = 1e9
	f.Batch, f.CutAt, f.Received, f.Partitions = stream.BatchID("00000000", f.Seq), t, t, nil
	for p := range max(partitions, 1) {
		f.Partitions = append(f.Partitions, stream.Partition(p))
	}
	return f
}

// Key returns the object's key.
func (l Layout) Key(f Facts) string {
	f.Ext = l.Ext(f.Compression, f.Ext)
	b := make([]byte, 0, 160)
	if f.Prefix != "" {
		b = append(append(b, f.Prefix...), '/')
	}
	for _, p := range l.parts {
		if p.variable == "" {
			b = append(b, p.literal...)
			continue
		}
		b = p.write(b, &f)
	}
	return string(b)
}
