package render

import (
	"strconv"
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// streamEntity is a stream as the CLI prints it.
type streamEntity struct {
	Ref         Ref               `json:"ref"`
	ID          string            `json:"id,omitempty"`
	Partitions  int               `json:"partitions"`
	StrmMeta    bool              `json:"strmMeta"`
	Description string            `json:"description,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Retention   apiv1.Retention   `json:"retention"`
	Topic       *apiv1.Topic      `json:"topic,omitempty"`
	CreatedAt   time.Time         `json:"createdAt"`
	Bounds      []apiv1.Partition `json:"bounds,omitempty"`
	Problem     string            `json:"problem,omitempty"`
}

// streamTree is a stream with what depends on it.
type streamTree struct {
	Stream    streamEntity     `json:"stream"`
	Sources   []apiv1.Source   `json:"sources,omitempty"`
	Exporters []exporterEntity `json:"batchExporters,omitempty"`
}

// StreamDetail is a stream and, where asked for, its dependents.
type StreamDetail struct {
	Stream    apiv1.Stream
	Sources   []apiv1.Source
	Exporters []apiv1.Exporter
}

func streamOf(inst string, s apiv1.Stream) streamEntity {
	return streamEntity{
		Ref: Ref{inst, s.Name}, ID: s.ID, Partitions: s.Partitions, StrmMeta: s.StrmMeta, Description: s.Description,
		Tags: s.Tags, Retention: s.Retention, Topic: s.Topic, CreatedAt: s.CreatedAt.UTC(), Bounds: s.Bounds, Problem: s.Problem,
	}
}

func treeOf(inst string, d StreamDetail) streamTree {
	return streamTree{Stream: streamOf(inst, d.Stream), Sources: d.Sources, Exporters: exportersOf(inst, d.Exporters)}
}

func streamHead() []string {
	return []string{"Stream", "Partitions", "strmMeta", "Retention", "Description"}
}

func streamRow(s apiv1.Stream) []string {
	return []string{s.Name, strconv.Itoa(s.Partitions), yesNo(s.StrmMeta), retention(s.Retention), s.Description}
}

// topicNotes says what a table has no columns for.
func topicNotes(s apiv1.Stream) []string {
	t := s.Topic
	if t == nil {
		return nil
	}
	topic := "topic: " + t.Name
	if t.Adopted {
		topic += " (adopted)"
	}
	notes := []string{topic + ", values " + t.Values + ", invalid ones " + map[string]string{"block": "stop batch exporters", "drop": "are left out"}[t.Invalid]}
	if t.Repeats != "" {
		notes = append(notes, "idempotency keys and event ids: "+t.Repeats)
	}
	if s.Problem != "" {
		notes = append(notes, "problem: "+s.Problem)
	}
	return notes
}

func retention(r apiv1.Retention) string {
	var parts []string
	if r.MaxAge != "" {
		parts = append(parts, r.MaxAge)
	}
	if r.MaxBytes > 0 {
		parts = append(parts, Bytes(r.MaxBytes))
	}
	if len(parts) == 0 {
		return "no bound"
	}
	return strings.Join(parts, ", ")
}

// Stream shows a stream that was created or updated: the bare entity.
func Stream(inst string, s apiv1.Stream) View {
	return View{JSON: streamOf(inst, s), Head: streamHead(), Rows: [][]string{streamRow(s)}}
}

// StreamTree shows one stream as get and delete do.
func StreamTree(inst string, d StreamDetail) View {
	return View{
		JSON: struct {
			Tree streamTree `json:"streamTree"`
		}{treeOf(inst, d)},
		Head: streamHead(), Rows: [][]string{streamRow(d.Stream)}, Note: append(topicNotes(d.Stream), dependents(d.Sources, d.Exporters)...),
	}
}

// Streams shows a list of streams.
func Streams(inst string, list []StreamDetail) View {
	v := View{Head: streamHead()}
	var doc struct {
		Streams []streamTree `json:"streams,omitempty"`
	}
	for _, d := range list {
		doc.Streams = append(doc.Streams, treeOf(inst, d))
		v.Rows = append(v.Rows, streamRow(d.Stream))
		for _, n := range append(topicNotes(d.Stream), dependents(d.Sources, d.Exporters)...) {
			v.Note = append(v.Note, d.Stream.Name+": "+n)
		}
	}
	v.JSON = doc
	return v
}

// dependents names sources and exporters in a line each.
func dependents(sources []apiv1.Source, exporters []apiv1.Exporter) []string {
	var out, names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	if len(names) > 0 {
		out = append(out, "sources: "+strings.Join(names, ", "))
	}
	names = nil
	for _, e := range exporters {
		names = append(names, e.Name+" ("+e.Status.State+")")
	}
	if len(names) > 0 {
		out = append(out, "batch exporters: "+strings.Join(names, ", "))
	}
	return out
}
