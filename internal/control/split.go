package control

import (
	"context"
	"maps"
	"unicode/utf8"

	"strm/internal/collect/split/flags"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The bounds of what a source of kind split is told.
const (
	MaxEnvironment = 255       // bytes of an environment id, of names and ids of the catalogue
	MaxCatalogue   = 100_000   // flags, or traffic types
	MaxFlagsFile   = 8_000_000 // bytes
)

// SplitChange says what to set of a source of kind split; nil and zero fields
// stay as they are, or with a new source have their defaults.
type SplitChange struct {
	Environment string
	Events      string  // name of the stream for events; default NAME-events; made if it is not there
	Counts      *string // of the stream for counts and unique keys; empty: they are dropped, which is the default

	// What the maps have is added or put in the place of what there is; an empty
	// value takes a name out.
	TrafficTypes map[string]string // id by name
	Flags        map[string]string // name of its traffic type by flag
	Replace      bool              // the maps are the whole catalogue

	Served []byte // a flags file, see flags.Next; empty but not nil: serve none
}

// describeSplit sets up the source of kind split that src is.
func describeSplit(src *stream.Source, ch *SplitChange) error {
	if ch == nil || ch.Environment == "" {
		return problem.New(problem.Invalid, "a source of kind %s needs an environment id: it is in every row", stream.SourceSplit)
	}
	src.Split = &stream.Split{Events: src.Name + "-events"}
	return ch.apply(src)
}

// apply puts a changed copy of the settings into src.
func (ch *SplitChange) apply(src *stream.Source) error {
	p := *src.Split
	if ch.Environment != "" {
		p.Environment = ch.Environment
	}
	if !goodText(p.Environment) {
		return problem.New(problem.Invalid, "the environment id is longer than %d bytes, or holds control characters", MaxEnvironment)
	}
	if ch.Events != "" {
		p.Events, p.EventsID = ch.Events, ""
	}
	if ch.Counts != nil {
		p.Counts, p.CountsID = *ch.Counts, ""
	}
	if p.Events == src.Stream || p.Counts != "" && (p.Counts == src.Stream || p.Counts == p.Events) {
		return problem.New(problem.Invalid, "impressions, events and counts have different columns: give each a stream of its own")
	}
	var err error
	if p.TrafficTypes, err = merge("traffic type", p.TrafficTypes, ch.TrafficTypes, ch.Replace); err != nil {
		return err
	}
	if p.Flags, err = merge("flag", p.Flags, ch.Flags, ch.Replace); err != nil {
		return err
	}
	if ch.Served != nil {
		if len(ch.Served) > MaxFlagsFile {
			return problem.New(problem.TooLarge, "the flags have %d bytes; at most %d are served", len(ch.Served), MaxFlagsFile)
		}
		if p.Served, err = flags.Next(p.Served, ch.Served, now()); err != nil {
			return err
		}
	}
	src.Split = &p
	return nil
}

// merge returns a copy of the map with changes.
func merge(what string, there, change map[string]string, replace bool) (map[string]string, error) {
	out := maps.Clone(there)
	if replace || out == nil {
		out = map[string]string{}
	}
	for k, v := range change {
		if k == "" || !goodText(k) || !goodText(v) {
			return nil, problem.New(problem.Invalid, "the catalogue has a %s whose name is empty, or that is longer than %d bytes or holds control characters", what, MaxEnvironment)
		}
		if v == "" {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	if len(out) > MaxCatalogue {
		return nil, problem.New(problem.Invalid, "the catalogue has %d names of kind %s; at most %d are kept", len(out), what, MaxCatalogue)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func goodText(s string) bool {
	if len(s) > MaxEnvironment || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}

// applySplit changes the settings of a source. Streams that it names must exist.
func (c *Control) applySplit(ctx context.Context, src *stream.Source, ch *SplitChange) error {
	if err := ch.apply(src); err != nil {
		return err
	}
	return c.join(ctx, src)
}
