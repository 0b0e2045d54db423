package eventfile

import (
	"slices"
	"strings"

	"strm/internal/stream"
)

const (
	maxGroups = 100 // of rows in a tally
	maxNames  = 20  // unknown environments that are named; others are told of together
	maxName   = 100 // bytes of a name that are shown
)

// flaw is a thing that is wrong with the fields of a row.
type flaw uint32

const (
	nullEnvironment flaw = 1 << iota
	nullTrafficType
	nullEventType
	nullKey
	nullTimestamp
	badEnvironment // not UTF-8
	badTrafficType
	badEventType
	badKey
	badProperty
	nullProperty // a property without a name
	badValue
	tooLong
	severalFlaws // which ones is not told, because there are too many groups
)

// flawTexts are in the order of the bits.
var flawTexts = [...]string{
	"environmentId is null", "trafficTypeId is null", "eventTypeId is null", "key is null", "timestamp is null",
	"environmentId is not UTF-8 text", "trafficTypeId is not UTF-8 text", "eventTypeId is not UTF-8 text", "key is not UTF-8 text",
	"properties has text that is not UTF-8", "properties has a null key",
	"value is NaN or infinite; null means no value", "the row is too long",
	"fields are null or cannot be stored",
}

// period is what a timestamp is wrong by.
type period uint8

const (
	inMillis period = iota
	notPositive
	tooSmall
	inSeconds
	inMicros
	inNanos
	notMillis // which one is not told
)

var periodTexts = [...]string{
	"", "timestamp is zero or negative", "timestamp is too small for milliseconds",
	"timestamp is in seconds, not milliseconds", "timestamp is in microseconds, not milliseconds",
	"timestamp is in nanoseconds, not milliseconds", "timestamp is not in milliseconds",
}

// group is what rows that are refused have in common.
type group struct {
	environment int // 0: known; n: the n-th unknown one; -1: unknown, not told
	flaws       flaw
	time        period
}

// general is the group with the least that can be said.
func (g group) general() group {
	if g.environment != 0 {
		g.environment = -1
	}
	if g.flaws != 0 {
		g.flaws = severalFlaws
	}
	if g.time != inMillis {
		g.time = notMillis
	}
	return g
}

// Tally counts the rows of one reading of a file, grouped by what became of
// them. There are at most 100 groups; where more would be needed, rows are
// counted in groups that tell less. The zero Tally has counted nothing. It is
// for one goroutine.
type Tally struct {
	accepted int64
	refused  int64
	rows     map[group]*int64
	order    []group // as they first occurred
	names    map[string]int
	shown    []string
	whole    []stream.StatusEntry // about the whole file
}

// Rows returns how many rows were counted, Accepted how many of them held.
func (t *Tally) Rows() int64 { return t.accepted + t.refused }

// Accepted returns how many rows held.
func (t *Tally) Accepted() int64 { return t.accepted }

// Refuse adds that the whole file was refused, or the rest of it, with the
// code and detail. It may be added to counted rows.
func (t *Tally) Refuse(code stream.RowError, detail string) {
	t.whole = append(t.whole, stream.StatusEntry{Rows: 1, Errors: []stream.RowError{code}, Details: []string{detail}})
}

// unknown returns the number of an unknown environment id, by what is shown of it.
func (t *Tally) unknown(name []byte) int {
	if len(name) > maxName {
		name = []byte(strings.ToValidUTF8(string(name[:maxName]), "") + "...")
	}
	if n, ok := t.names[string(name)]; ok {
		return n
	}
	if len(t.shown) == maxNames {
		return -1
	}
	if t.names == nil {
		t.names = map[string]int{}
	}
	t.shown = append(t.shown, string(name))
	t.names[string(name)] = len(t.shown)
	return len(t.shown)
}

// refuse counts a row that does not hold.
func (t *Tally) refuse(g group) {
	t.refused++
	if n, ok := t.rows[g]; ok {
		*n++
		return
	}
	if t.rows == nil {
		t.rows = map[group]*int64{}
	}
	const generalGroups = 7 // what general can return, which must always find room
	if all := g.general(); len(t.order) >= maxGroups-1-generalGroups && g != all {
		if n, ok := t.rows[all]; ok {
			*n++
			return
		}
		g = all
	}
	one := int64(1)
	t.rows[g] = &one
	t.order = append(t.order, g)
}

// Entries returns what became of the rows: those that hold first, then those
// refused, as they first occurred, then what was said of the whole file. Their
// ids are 1, 2, ...; ImportID and ReportID are the caller's to set. An empty
// file has one entry of no rows.
func (t *Tally) Entries() []stream.StatusEntry {
	var out []stream.StatusEntry
	if t.accepted > 0 || len(t.order)+len(t.whole) == 0 {
		out = append(out, stream.StatusEntry{Valid: true, Rows: t.accepted})
	}
	for _, g := range t.order {
		e := stream.StatusEntry{Rows: *t.rows[g]}
		add := func(code stream.RowError, detail string) {
			e.Errors, e.Details = append(e.Errors, code), append(e.Details, detail)
		}
		switch {
		case g.environment > 0:
			add(stream.ErrEnvironment, "environment "+t.shown[g.environment-1]+" is not one of this importer")
		case g.environment < 0:
			add(stream.ErrEnvironment, "an environment that is not one of this importer")
		}
		if g.flaws != 0 {
			add(stream.ErrFieldsNull, g.flaws.text())
		}
		if g.time != inMillis {
			add(stream.ErrTimestamp, periodTexts[g.time])
		}
		out = append(out, e)
	}
	out = append(out, slices.Clone(t.whole)...)
	for i := range out {
		out[i].EntryID = i + 1
	}
	return out
}

func (f flaw) text() string {
	var parts []string
	for i, text := range flawTexts {
		if f&(1<<i) != 0 {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, "; ")
}
