package flags

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"strm/internal/jsonscan"
	"strm/internal/problem"
	"strm/internal/stream"
)

// maxGone bounds the names that are remembered as gone; the oldest are those
// that SDKs which run for so long hold on to.
const maxGone = 10_000

// Next returns the set that follows old when a file takes its place: the body of
// a splitChanges answer (with ff and rbs, or with splits), or an array of flags;
// nothing, or an empty array, serves none from then on. A file that says what old
// says gives old. Errors: Invalid, naming the flag.
//
// The version rises above old's and above every change number of the vendor's
// until now, so that SDKs see the change whoever they asked before.
func Next(old stream.FlagSet, file []byte, now time.Time) (stream.FlagSet, error) {
	file = bytes.TrimSpace(bytes.ToValidUTF8(file, []byte("\uFFFD")))
	if len(file) == 0 {
		file = []byte("[]")
	}
	if !json.Valid(file) {
		return stream.FlagSet{}, problem.New(problem.Invalid, "the flags are not JSON")
	}
	defs, segments, err := find(file)
	if err != nil {
		return stream.FlagSet{}, err
	}
	next := stream.FlagSet{}
	var names, segmentNames map[string]string
	if next.Flags, names, err = read("flag", defs); err != nil {
		return stream.FlagSet{}, err
	}
	if next.Segments, segmentNames, err = read("rule-based segment", segments); err != nil {
		return stream.FlagSet{}, err
	}
	if bytes.Equal(next.Flags, old.Flags) && bytes.Equal(next.Segments, old.Segments) {
		return old, nil
	}
	next.Types = names
	next.Version = max(old.Version+1, now.UnixMilli())
	before, err := namesOf(old.Flags)
	if err != nil {
		return stream.FlagSet{}, err
	}
	next.Gone = gone(old.Gone, before, names)
	if before, err = namesOf(old.Segments); err != nil {
		return stream.FlagSet{}, err
	}
	next.GoneSegments = gone(old.GoneSegments, before, segmentNames)
	return next, nil
}

// find returns the arrays of flags and of rule-based segments in a file.
func find(file []byte) (defs, segments []byte, err error) {
	switch jsonscan.KindOf(file) {
	case jsonscan.Array:
		return file, nil, nil
	case jsonscan.Object:
		var changes struct {
			FF, RBS struct{ D json.RawMessage }
			Splits  json.RawMessage
		}
		if err := json.Unmarshal(file, &changes); err != nil {
			break // another shape
		}
		if changes.Splits != nil {
			return changes.Splits, nil, nil
		}
		if changes.FF.D != nil {
			return changes.FF.D, changes.RBS.D, nil
		}
	case jsonscan.Bad, jsonscan.Null, jsonscan.False, jsonscan.True, jsonscan.Number, jsonscan.String:
	}
	return nil, nil, problem.New(problem.Invalid, `the flags are neither an array of flags nor a splitChanges body ({"ff":{"d":[...]}} or {"splits":[...]})`)
}

// definition is what must be known of a flag or a rule-based segment.
type definition struct {
	Name            string `json:"name"`
	TrafficTypeName string `json:"trafficTypeName"`
}

// read checks an array of definitions. It returns it without white space, nil
// for none, and the traffic types by name.
func read(what string, list []byte) (compact json.RawMessage, types map[string]string, err error) {
	if len(list) == 0 || string(list) == "null" {
		return nil, nil, nil
	}
	var all []definition
	if err := json.Unmarshal(list, &all); err != nil {
		// It is JSON, so it has another shape; the error's words are those of our types.
		return nil, nil, problem.New(problem.Invalid, "the %ss must be an array of objects, whose name and trafficTypeName are texts", what)
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	types = make(map[string]string, len(all))
	for i, d := range all {
		if d.Name == "" {
			return nil, nil, problem.New(problem.Invalid, "%s %d has no name", what, i+1)
		}
		if _, twice := types[d.Name]; twice {
			return nil, nil, problem.New(problem.Invalid, "%s %q is there twice", what, d.Name)
		}
		types[d.Name] = d.TrafficTypeName
	}
	var b bytes.Buffer
	if err := json.Compact(&b, list); err != nil {
		return nil, nil, problem.New(problem.Invalid, "the definitions of %ss: %w", what, err)
	}
	return b.Bytes(), types, nil
}

func namesOf(list json.RawMessage) (map[string]string, error) {
	_, names, err := read("flag", list)
	return names, err
}

// gone returns the names that SDKs must let go: those of before, and those that
// were gone already, but for what is there now.
func gone(already []string, before, there map[string]string) []string {
	all := slices.Clone(already)
	all = append(all, slices.Sorted(maps.Keys(before))...)
	all = slices.DeleteFunc(all, func(name string) bool { _, ok := there[name]; return ok })
	if n := len(all) - maxGone; n > 0 {
		all = all[n:]
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// Count returns the number of definitions in one of a set's arrays.
func Count(list json.RawMessage) (n int) {
	for e := jsonscan.ElementsOf(list); e.Next(); {
		n++
	}
	return n
}
