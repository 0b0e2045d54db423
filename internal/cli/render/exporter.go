package render

import (
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// exporterEntity is a batch exporter as the seed prints it, then what strm adds.
type exporterEntity struct {
	Ref          Ref          `json:"ref"`
	StreamRef    Ref          `json:"streamRef"`
	Interval     string       `json:"interval"`
	SinkName     string       `json:"sinkName"`
	PathPrefix   string       `json:"pathPrefix,omitempty"`
	StreamPrefix string       `json:"streamPrefix,omitempty"`
	FromStart    bool         `json:"includeExistingEvents,omitempty"`
	ID           string       `json:"id,omitempty"`
	Layout       string       `json:"layout,omitempty"`
	Format       string       `json:"format,omitempty"`
	Compression  string       `json:"compression,omitempty"`
	Offset       string       `json:"intervalOffset,omitempty"`
	MaxBytes     int64        `json:"maxBytes,omitempty"`
	MaxPacked    int64        `json:"maxPackedBytes,omitempty"`
	MaxEvents    int64        `json:"maxEvents,omitempty"`
	CreatedAt    time.Time    `json:"createdAt"`
	Status       apiv1.Status `json:"status"`

	Options *apiv1.FileOptions `json:"options,omitempty"`
}

func exporterOf(inst string, e apiv1.Exporter) exporterEntity {
	return exporterEntity{
		Ref: Ref{inst, e.Name}, StreamRef: Ref{inst, e.Stream}, Interval: seconds(e.Interval), SinkName: e.Sink,
		PathPrefix: e.PathPrefix, StreamPrefix: e.StreamPrefix, FromStart: e.FromStart, ID: e.ID, Layout: e.Layout, Format: e.Format,
		Compression: e.Compression, Offset: seconds(e.Offset), MaxBytes: e.MaxBytes, MaxPacked: e.MaxPacked, MaxEvents: e.MaxEvents, CreatedAt: e.CreatedAt.UTC(), Status: e.Status, Options: e.Options,
	}
}

func exportersOf(inst string, list []apiv1.Exporter) []exporterEntity {
	var out []exporterEntity
	for _, e := range list {
		out = append(out, exporterOf(inst, e))
	}
	return out
}

// seconds writes a duration as the seeds do: "300s", not "5m0s". What is no
// duration stays as it is.
func seconds(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil || d%time.Second != 0 {
		return s
	}
	return itoa(int64(d/time.Second)) + "s"
}

func exporterHead() []string {
	return []string{"Batch Exporter", "Stream", "Sink", "Include Existing Events", "Interval", "Path Prefix", "State"}
}

func exporterRow(e apiv1.Exporter) []string {
	return []string{e.Name, e.Stream, e.Sink, boolean(e.FromStart), seconds(e.Interval), e.PathPrefix, e.Status.State}
}

// cutNotes tells in lines how batches are cut and named, where that is not the
// default.
func cutNotes(e apiv1.Exporter) []string {
	var notes, cut []string
	if e.Layout != "" && e.Layout != "strm" {
		notes = append(notes, "layout: "+e.Layout)
	}
	if e.StreamPrefix != "" {
		notes = append(notes, "stream prefix: "+e.StreamPrefix)
	}
	if e.Offset != "" {
		cut = append(cut, seconds(e.Offset)+" after each full interval")
	}
	for _, c := range []struct {
		n    int64
		text string
	}{{e.MaxBytes, Bytes(e.MaxBytes) + " before compression"}, {e.MaxPacked, Bytes(e.MaxPacked) + " packed"}, {e.MaxEvents, count(e.MaxEvents, "event", "events")}} {
		if c.n > 0 {
			cut = append(cut, "at "+c.text)
		}
	}
	if len(cut) > 0 {
		notes = append(notes, "cut: "+strings.Join(cut, ", "))
	}
	return notes
}

// statusNotes tells in lines how an exporter fares.
func statusNotes(s apiv1.Status) []string {
	notes := []string{
		"delivered: " + count(s.DeliveredEvents, "event", "events") + " in " + count(s.Batches, "batch", "batches") +
			"; waiting: " + count(s.WaitingEvents, "event", "events"),
	}
	if t := when(s.LastDeliveryAt); t != "" {
		notes = append(notes, "last delivery: "+t)
	}
	if s.Reason != "" {
		notes = append(notes, s.State+": "+s.Reason)
	}
	if t := when(s.NextRetryAt); t != "" {
		notes = append(notes, "next retry: "+t)
	}
	return notes
}

// Exporter shows an exporter that was created or changed: the bare entity.
func Exporter(inst string, e apiv1.Exporter) View {
	return View{JSON: exporterOf(inst, e), Head: exporterHead(), Rows: [][]string{exporterRow(e)}}
}

// ExporterGot shows one exporter.
func ExporterGot(inst string, e apiv1.Exporter) View {
	return View{
		JSON: struct {
			Exporter exporterEntity `json:"batchExporter"`
		}{exporterOf(inst, e)},
		Head: exporterHead(), Rows: [][]string{exporterRow(e)}, Note: append(cutNotes(e), statusNotes(e.Status)...),
	}
}

// Exporters shows a list of exporters.
func Exporters(inst string, list []apiv1.Exporter) View {
	var doc struct {
		Exporters []exporterEntity `json:"batchExporters,omitempty"`
	}
	doc.Exporters = exportersOf(inst, list)
	v := View{JSON: doc, Head: exporterHead()}
	for _, e := range list {
		v.Rows = append(v.Rows, exporterRow(e))
	}
	return v
}
