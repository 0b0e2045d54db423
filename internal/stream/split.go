package stream

import "encoding/json"

// Split is what a source of kind split has beside other sources: it is one
// environment of Split (Harness FME). Source.Stream takes its impressions. It is
// never changed in place.
type Split struct {
	Environment string // the environment id in every row
	Events      string // name of the stream that takes its events
	EventsID    string
	Counts      string // of the stream for counts and unique keys; empty: they are dropped
	CountsID    string

	TrafficTypes map[string]string // id of a traffic type by its name
	Flags        map[string]string // name of a flag's traffic type, as given; goes before Served.Types
	Served       FlagSet
}

// FlagSet is the definitions of flags that a source serves to SDKs. The zero
// value serves none.
type FlagSet struct {
	Version  int64             `json:"version"`            // change number of the whole; rises with every change
	Flags    json.RawMessage   `json:"flags,omitempty"`    // array of definitions
	Segments json.RawMessage   `json:"segments,omitempty"` // array of rule-based segments
	Types    map[string]string `json:"types,omitempty"`    // name of each flag's traffic type

	// Gone are names that earlier sets had and this one has not: SDKs that hold
	// them are told to let them go.
	Gone         []string `json:"gone,omitempty"`
	GoneSegments []string `json:"goneSegments,omitempty"`
}

// TrafficType returns the name of a flag's traffic type; ok is false if it is
// not known.
func (s *Split) TrafficType(flag []byte) (name string, ok bool) {
	if name, ok = s.Flags[string(flag)]; !ok {
		name, ok = s.Served.Types[string(flag)]
	}
	return name, ok
}

// SplitStreams are the streams of a source of kind split. Counts has no ID if
// there is none.
type SplitStreams struct{ Impressions, Events, Counts Stream }

// NameCount is how often a name was seen.
type NameCount struct {
	Name  string
	Count int64
}

// Unknown is what a source of kind split has seen, since the server started,
// that its catalogue does not know, most often first.
type Unknown struct {
	Flags        []NameCount // impressions of flags without a traffic type id
	TrafficTypes []NameCount // events whose traffic type has no id
	More         bool        // there were more names than are counted one by one
}
