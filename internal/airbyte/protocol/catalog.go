package protocol

import (
	"encoding/json"
	"fmt"

	"strm/internal/problem"
)

// Mode says what a sync does with what is there already.
type Mode uint8

// The modes that files can do.
const (
	Append Mode = iota
	Overwrite
)

// Stream is a stream of the configured catalog.
type Stream struct {
	Descriptor
	Schema json.RawMessage // of an event; {} if there is none
	Mode   Mode
	// Deduped: append_dedup was asked for. Files cannot; every version is kept.
	// PyAirbyte asks for it whatever the spec says.
	Deduped bool
	SyncID  int64
	// Generations is false on platforms that send none; the numbers are 0 then.
	Generations bool
	Generation  int64
	Minimum     int64 // generations below go once this sync is complete; 0: none
}

// Truncates reports whether the sync replaces what is there.
func (s *Stream) Truncates() bool {
	return s.Minimum > 0 || s.Mode == Overwrite && !s.Generations
}

// ParseCatalog reads a configured catalog. Errors are of kind Invalid and name
// the stream.
func ParseCatalog(text []byte) ([]Stream, error) {
	var c struct {
		Streams *[]struct {
			Stream *struct {
				Name      string          `json:"name"`
				Namespace string          `json:"namespace"`
				Schema    json.RawMessage `json:"json_schema"`
			} `json:"stream"`
			Mode         string `json:"destination_sync_mode"`
			SyncID       *int64 `json:"sync_id"`
			Generation   *int64 `json:"generation_id"`
			Minimum      *int64 `json:"minimum_generation_id"`
			IncludeFiles bool   `json:"include_files"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, problem.New(problem.Invalid, "the catalog cannot be read: %w", err)
	}
	if c.Streams == nil {
		return nil, problem.New(problem.Invalid, `the catalog has no "streams": is it a configured catalog?`)
	}
	var out []Stream
	seen := map[Descriptor]bool{}
	for i, s := range *c.Streams {
		if s.Stream == nil || s.Stream.Name == "" {
			return nil, problem.New(problem.Invalid, "stream %d of the catalog has no name", i+1)
		}
		st := Stream{Descriptor: Descriptor{s.Stream.Namespace, s.Stream.Name}, Schema: s.Stream.Schema}
		if len(st.Schema) == 0 || string(st.Schema) == "null" {
			st.Schema = json.RawMessage(`{}`)
		}
		if seen[st.Descriptor] {
			return nil, problem.New(problem.Invalid, "the catalog has stream %s twice", st.Descriptor)
		}
		seen[st.Descriptor] = true
		if s.IncludeFiles {
			return nil, problem.New(problem.Invalid, "stream %s: include_files is set, but copying files is not supported, only records are written", st.Descriptor)
		}
		switch s.Mode {
		case "append", "":
			st.Mode = Append
		case "overwrite":
			st.Mode = Overwrite
		case "append_dedup":
			st.Mode, st.Deduped = Append, true
		default:
			return nil, problem.New(problem.Invalid, "stream %s: destination_sync_mode %q is not supported; use append or overwrite", st.Descriptor, s.Mode)
		}
		if err := st.generations(s.SyncID, s.Generation, s.Minimum); err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

func (s *Stream) generations(sync, gen, minimum *int64) error {
	if sync != nil {
		s.SyncID = *sync
	}
	if gen != nil {
		s.Generations, s.Generation = true, *gen
	}
	if minimum != nil {
		s.Generations, s.Minimum = true, *minimum
	}
	var bad string
	switch {
	case s.Generation < 0 || s.Minimum < 0:
		bad = "they are negative"
	case s.Minimum > s.Generation:
		bad = "the minimum is above the generation that is written"
	case s.Minimum > 0 && s.Minimum < s.Generation:
		bad = "a minimum between 0 and the generation would keep part of the older data, which is not supported; it is 0 to append, or the generation itself to replace"
	default:
		return nil
	}
	return problem.New(problem.Invalid, "stream %s: generation_id %d and minimum_generation_id %d: %s", s.Descriptor, s.Generation, s.Minimum, fmt.Sprint(bad))
}
