package wire

import (
	"strconv"
	"strings"
	"time"

	"strm/internal/jsonscan"
	"strm/internal/stream"
)

// Kind is what the entries of a body are.
type Kind uint8

// The kinds.
const (
	Impressions Kind = iota // groups of impressions, by flag
	Events
	Counts // of impressions that were not sent one by one
	Keys   // unique keys by flag, or flags by unique key
)

// Reason says why an entry was left out. There are only the ones below, so it
// serves as the label of a metric.
type Reason uint8

// The reasons.
const (
	NotAnObject Reason = iota
	NoKey              // neither text nor a number
	NoFlag             // likewise, or its name is over MaxName
	NoTreatment
	NoEventType
	NoCount  // a count without a number
	TooLarge // its line would be over Facts.MaxLine
	TooDeep  // properties nest deeper than MaxDepth
	reasons
)

// String returns the word for metrics and logs.
func (r Reason) String() string {
	return [reasons]string{"not_an_object", "no_key", "no_flag", "no_treatment", "no_event_type", "no_count", "too_large", "too_deep"}[r]
}

// Rejected is how many entries were left out, by Reason.
type Rejected [reasons]int

const (
	// MaxName bounds names of flags, in bytes as sent: each is in the lines of
	// all its impressions, so that a long one would make much of a small body.
	MaxName = 512
	// MaxDepth is how deep properties may nest: what intake allows, less the event.
	MaxDepth = 511

	maxHeader = 255 // bytes of what SDKs say about themselves; the rest is cut off
	keysBytes = 64 << 10
)

// Facts are what the server knows of a request and its source.
type Facts struct {
	Split    *stream.Split
	Received time.Time
	SDK      string // as the SDK names itself, with its version
	Mode     string // of impressions
	Machine  string
	IP       string
	MaxLine  int // bytes of a line; 0 means 1 MiB

	// Unknown is told of what the catalogue has no traffic type id for: a flag
	// and the number of its impressions, or a traffic type of an event. The name
	// must not be kept. May be nil.
	Unknown func(name []byte, trafficType bool, n int)
}

// Writer writes the lines of one body after the other. The zero value is ready.
// Not safe for concurrent use.
type Writer struct {
	kind     Kind
	facts    Facts
	rejected Rejected
	lines    int

	outer jsonscan.Elements
	inner jsonscan.Elements // of the group: impressions, or keys
	group bool              // in a group
	back  []byte            // the entry whose line did not fit
	has   bool              // there is one

	environment []byte // ,"environmentId":"e"
	about       []byte // ,"sdk":...,"machineIp":...
	received    []byte // ,"receptionTimestamp":n
	mode        []byte // ,"impressionsMode":"M", or nothing
	flag        []byte // of the group: its name, a JSON string
	types       []byte // of the group: ,"trafficTypeId":"t"
	text        []byte // scratch
	chunk       []byte // of unique keys: an array of as many as go into a line
	byKey       bool   // unique keys: flags by key
}

// Begin takes the entries of a body, which Open has checked and which must not
// change until the last Append.
func (w *Writer) Begin(kind Kind, entries []byte, f Facts) {
	if f.MaxLine <= 0 {
		f.MaxLine = 1 << 20
	}
	w.kind, w.facts, w.rejected, w.lines = kind, f, Rejected{}, 0
	w.group, w.back, w.has = false, nil, false
	switch kind {
	case Counts:
		entries = member(entries, "pf")
	case Keys:
		entries = member(entries, "keys")
	case Impressions, Events:
	}
	w.outer = jsonscan.ElementsOf(entries)
	if jsonscan.KindOf(entries) != jsonscan.Array {
		w.rejected[NotAnObject]++
	}

	w.environment = jsonscan.Quote(append(w.environment[:0], `,"environmentId":`...), f.Split.Environment)
	sdk, version := SplitSDK(cut(f.SDK))
	w.about = jsonscan.Quote(append(w.about[:0], `,"sdk":`...), sdk)
	w.about = jsonscan.Quote(append(w.about, `,"sdkVersion":`...), version)
	w.about = appendMachine(append(w.about, `,"machineName":`...), f.Machine)
	w.about = appendMachine(append(w.about, `,"machineIp":`...), f.IP)
	w.received = strconv.AppendInt(append(w.received[:0], `,"receptionTimestamp":`...), f.Received.UnixMilli(), 10)
	w.mode = w.mode[:0]
	if f.Mode != "" {
		w.mode = jsonscan.Quote(append(w.mode, `,"impressionsMode":`...), strings.ToUpper(cut(f.Mode)))
	}
}

// Count returns how many entries, or groups of unique keys, Begin would go over.
func Count(kind Kind, entries []byte) (n int) {
	switch kind {
	case Counts:
		entries = member(entries, "pf")
	case Keys:
		entries = member(entries, "keys")
	case Impressions, Events:
	}
	for e := jsonscan.ElementsOf(entries); e.Next(); {
		n++
	}
	return n
}

// End lets go of the body and of the facts.
func (w *Writer) End() {
	w.outer, w.inner, w.back, w.facts = jsonscan.Elements{}, jsonscan.Elements{}, nil, Facts{}
}

// Append appends whole lines, each ended by '\n', until the next one would make
// dst longer than most; the first line is appended in any case. more says that
// lines are left for another Append.
func (w *Writer) Append(dst []byte, most int) (lines []byte, more bool) {
	start := len(dst)
	for {
		line := len(dst)
		var ok bool
		if dst, ok = w.next(dst); !ok {
			return dst, false
		}
		if line > start && len(dst) > most {
			return dst[:line], true
		}
		w.has = false
		w.lines++
	}
}

// Lines returns the number of lines appended since Begin.
func (w *Writer) Lines() int { return w.lines }

// Rejected returns what was left out of what Append has gone over.
func (w *Writer) Rejected() Rejected { return w.rejected }

// next appends one line; ok is false at the end. The entry stays in w.back
// until its line is taken.
func (w *Writer) next(dst []byte) (out []byte, ok bool) {
	line := len(dst)
	for {
		entry := w.back
		if !w.has {
			if entry, ok = w.entry(); !ok {
				return dst, false
			}
		}
		var why Reason
		switch {
		case len(entry) > w.facts.MaxLine:
			out, why = dst, TooLarge
		case w.kind == Impressions:
			out, why = w.impression(dst, entry)
		case w.kind == Events:
			out, why = w.event(dst, entry)
		case w.kind == Counts:
			out, why = w.count(dst, entry)
		default:
			out, why = w.keys(dst, entry)
		}
		if why == taken && len(out)-line > w.facts.MaxLine {
			why = TooLarge
		}
		if why == taken {
			w.back, w.has = entry, true
			return append(out, '\n'), true
		}
		w.rejected[why]++
		dst, w.has = out[:line], false
	}
}

// entry returns the next entry, of the next group if there are groups.
func (w *Writer) entry() (entry []byte, ok bool) {
	for {
		if w.group {
			if w.kind == Keys {
				entry, ok = w.nextKeys()
			} else if ok = w.inner.Next(); ok {
				entry, _ = w.inner.Value()
			}
			if ok {
				return entry, true
			}
			w.group = false
		}
		if !w.outer.Next() {
			return nil, false
		}
		entry, _ = w.outer.Value()
		if w.kind == Events || w.kind == Counts {
			return entry, true
		}
		w.enter(entry)
	}
}
