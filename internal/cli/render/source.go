package render

import (
	"maps"
	"slices"
	"time"

	"strm/internal/api/apiv1"
)

// Sources have no counterpart in the seeds: their shape is the API's own.

func sourceView(s apiv1.Source, doc any) View {
	v := View{JSON: doc, Head: []string{"Source", "Stream", "Kind"}, Rows: [][]string{{s.Name, s.Stream, s.Kind}}}
	if s.SourceID != "" {
		v.Note = append(v.Note, "source id: "+s.SourceID, "dedup window: "+dedup(s.Dedup))
	}
	if s.Split != nil {
		v.Note = append(v.Note, splitNotes(s.Split)...)
	}
	if s.WriteKey != "" {
		v.Note = append(v.Note, "write key (shown this once): "+s.WriteKey)
	}
	return v
}

// splitNotes tells what a source of kind split has beside others.
func splitNotes(p *apiv1.SplitSource) []string {
	counts := p.Counts
	if counts == "" {
		counts = "dropped"
	}
	notes := []string{"environment: " + p.Environment, "events stream: " + p.Events, "counts: " + counts}
	for _, name := range slices.Sorted(maps.Keys(p.TrafficTypes)) {
		notes = append(notes, "traffic type "+name+": "+p.TrafficTypes[name])
	}
	for _, name := range slices.Sorted(maps.Keys(p.Flags)) {
		notes = append(notes, "flag "+name+": "+p.Flags[name])
	}
	served := "none"
	if f := p.Served; f != nil {
		served = itoa(int64(f.Flags)) + " flags and " + itoa(int64(f.Segments)) + " rule-based segments, change number " + itoa(f.ChangeNumber)
	}
	notes = append(notes, "served: "+served)
	if u := p.Unknown; u != nil {
		for _, n := range u.Flags {
			notes = append(notes, "without a traffic type id: flag "+n.Name+", "+itoa(n.Count)+" impressions since the server started")
		}
		for _, n := range u.TrafficTypes {
			notes = append(notes, "without an id: traffic type "+n.Name+", "+itoa(n.Count)+" events since the server started")
		}
		if u.More {
			notes = append(notes, "and others")
		}
	}
	return notes
}

// dedup writes a window for people.
func dedup(window string) string {
	d, err := time.ParseDuration(window)
	switch {
	case err != nil:
		return window
	case d == 0:
		return "none"
	case d%time.Hour == 0:
		return itoa(int64(d/time.Hour)) + "h"
	}
	return d.String()
}

// Source shows a source that was created or changed, with its new write key.
func Source(s apiv1.Source) View { return sourceView(s, s) }

// SourceGot shows one source; a write key, should one be there, is left out.
func SourceGot(s apiv1.Source) View {
	s.WriteKey = ""
	return sourceView(s, struct {
		Source apiv1.Source `json:"source"`
	}{s})
}

// Sources shows a list of sources, never with write keys.
func Sources(list []apiv1.Source) View {
	var doc struct {
		Sources []apiv1.Source `json:"sources,omitempty"`
	}
	v := View{Head: []string{"Source", "Stream", "Kind"}}
	for _, s := range list {
		s.WriteKey = ""
		doc.Sources = append(doc.Sources, s)
		v.Rows = append(v.Rows, []string{s.Name, s.Stream, s.Kind})
	}
	v.JSON = doc
	return v
}
