package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/problem"
	"strm/internal/stream"
)

const (
	exportersTag  = "batch exporters"
	exportersPath = "/v1/batch-exporters"
	exporterPath  = "/v1/batch-exporters/{name}"
)

type exporterList struct {
	BatchExporters []apiv1.Exporter `json:"batchExporters"`
}

// ExporterRef names a batch exporter.
type ExporterRef struct {
	Name   string `path:"name" doc:"Name of the batch exporter, or STREAM/NAME with the slash escaped"`
	Stream string `query:"stream" doc:"Its stream; needed where several streams have an exporter of that name"`
}

func (s *server) exporters(api huma.API) {
	register(s, api, operation(http.MethodGet, exportersPath, "list-batch-exporters", exportersTag, "List batch exporters"),
		func(ctx context.Context, in *struct {
			Stream string `query:"stream" doc:"Only those of this stream"`
		}) (*body[exporterList], error) {
			exporters, err := s.Control.ExportersOf(ctx, in.Stream)
			return &body[exporterList]{exporterList{each(exporters, showExporter)}}, err
		})

	create := operation(http.MethodPost, exportersPath, "create-batch-exporter", exportersTag, "Create a batch exporter")
	create.DefaultStatus = http.StatusCreated
	create.Description = "The batch exporter exists once this answers 201, also if its sink could not be written: then its state is blocked or retrying, with the reason."
	register(s, api, create,
		func(ctx context.Context, in *struct{ Body apiv1.CreateExporter }) (*body[apiv1.Exporter], error) {
			n, err := readExporter(in.Body)
			if err != nil {
				return nil, err
			}
			x, err := s.Control.CreateExporter(ctx, n)
			return &body[apiv1.Exporter]{showExporter(x)}, err
		})

	register(s, api, operation(http.MethodGet, exporterPath, "get-batch-exporter", exportersTag, "Show a batch exporter and how it fares"),
		s.onExporter(s.Control.Exporter))

	register(s, api, operation(http.MethodPut, exporterPath, "put-batch-exporter", exportersTag, "Create a batch exporter, or update sink, interval and path prefix"),
		func(ctx context.Context, in *struct {
			ExporterRef
			Body apiv1.CreateExporter
		}) (*put[apiv1.Exporter], error) {
			n, err := readExporter(in.Body)
			if err != nil {
				return nil, err
			}
			if err := sameOrEmpty("name", in.Name, &n.Name); err != nil {
				return nil, err
			}
			if err := sameOrEmpty("stream", in.Stream, &n.Stream); err != nil {
				return nil, err
			}
			x, created, err := s.Control.PutExporter(ctx, n)
			return &put[apiv1.Exporter]{putStatus(created), showExporter(x)}, err
		})

	register(s, api, operation(http.MethodPatch, exporterPath, "update-batch-exporter", exportersTag, "Change a batch exporter"),
		func(ctx context.Context, in *struct {
			ExporterRef
			Body apiv1.UpdateExporter
		}) (*body[apiv1.Exporter], error) {
			ch, err := readExporterChange(in.Body)
			if err != nil {
				return nil, err
			}
			x, err := s.Control.UpdateExporter(ctx, in.Stream, in.Name, ch)
			return &body[apiv1.Exporter]{showExporter(x)}, err
		})

	register(s, api, operation(http.MethodDelete, exporterPath, "delete-batch-exporter", exportersTag, "Delete a batch exporter; what it delivered stays"),
		func(ctx context.Context, in *ExporterRef) (*none, error) {
			return nil, s.Control.DeleteExporter(ctx, in.Stream, in.Name)
		})

	register(s, api, operation(http.MethodPost, exporterPath+"/pause", "pause-batch-exporter", exportersTag, "Stop planning and delivering"),
		s.onExporter(s.Control.Pause))
	register(s, api, operation(http.MethodPost, exporterPath+"/resume", "resume-batch-exporter", exportersTag, "Go on, and try at once what is blocked"),
		s.onExporter(s.Control.Resume))
}

// onExporter adapts the calls that take a name and return an exporter.
func (s *server) onExporter(do func(ctx context.Context, streamName, name string) (control.Exporter, error)) func(context.Context, *ExporterRef) (*body[apiv1.Exporter], error) {
	return func(ctx context.Context, in *ExporterRef) (*body[apiv1.Exporter], error) {
		x, err := do(ctx, in.Stream, in.Name)
		return &body[apiv1.Exporter]{showExporter(x)}, err
	}
}

// sameOrEmpty puts what the address says into the body, or refuses a body that
// says something else.
func sameOrEmpty(what, address string, field *string) error {
	if address != "" && *field != "" && *field != address {
		return problem.New(problem.Invalid, "%s: the address says %q and the body %q", what, address, *field)
	}
	if *field == "" {
		*field = address
	}
	return nil
}

func readExporter(b apiv1.CreateExporter) (control.NewExporter, error) {
	n := control.NewExporter{
		Name:   b.Name,
		Stream: b.Stream,
		Sink:   b.Sink,
		Cut:    stream.Cut{MaxBytes: b.MaxBytes, MaxEvents: b.MaxEvents},
		Output: stream.Output{PathPrefix: b.PathPrefix, StreamPrefix: b.StreamPrefix, Layout: b.Layout, Format: b.Format, Compression: b.Compression},
		Start:  control.Start{Existing: b.IncludeExistingEvents},
	}
	if b.From != nil {
		n.Start.From = *b.From
	}
	edit, err := editOutput(b.Options)
	if err != nil {
		return n, err
	}
	if edit != nil {
		edit(&n.Output)
	}
	if b.Interval != "" {
		if n.Cut.Interval, err = readInterval(b.Interval); err != nil {
			return n, err
		}
	}
	n.MaxPacked = b.MaxPacked
	if b.Offset != "" {
		n.Offset, err = readDuration("interval offset", &b.Offset)
	}
	return n, err
}

func readExporterChange(b apiv1.UpdateExporter) (control.ExporterChange, error) {
	ch := control.ExporterChange{
		Sink:         b.Sink,
		PathPrefix:   b.PathPrefix,
		StreamPrefix: b.StreamPrefix,
		MaxBytes:     b.MaxBytes,
		MaxPacked:    b.MaxPacked,
		MaxEvents:    b.MaxEvents,
		Layout:       b.Layout,
		Format:       b.Format,
		Compression:  b.Compression,
	}
	var err error
	if ch.Options, err = editOutput(b.Options); err != nil {
		return ch, err
	}
	if b.Interval != nil {
		d, err := readInterval(*b.Interval)
		if err != nil {
			return ch, err
		}
		ch.Interval = &d
	}
	ch.Offset, err = readDuration("interval offset", b.Offset)
	return ch, err
}

// readDuration reads a duration that may be absent.
func readDuration(what string, s *string) (*time.Duration, error) {
	if s == nil {
		return nil, nil
	}
	d, err := control.ParseDuration(what, *s)
	return &d, err
}

// readInterval refuses zero here, as further in it means the default.
func readInterval(s string) (time.Duration, error) {
	d, err := control.ParseDuration("interval", s)
	if err == nil && d == 0 {
		err = problem.New(problem.Invalid, "interval %q: a batch exporter needs an interval above 0", s)
	}
	return d, err
}

// seconds writes a duration as the seeds do.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }

func showExporter(x control.Exporter) apiv1.Exporter {
	offset := ""
	if x.Cut.Offset > 0 {
		offset = seconds(x.Cut.Offset)
	}
	return apiv1.Exporter{
		Offset:       offset,
		Name:         x.Name,
		ID:           x.ID,
		Stream:       x.Stream,
		Sink:         x.Sink,
		PathPrefix:   x.Output.PathPrefix,
		StreamPrefix: x.Output.StreamPrefix,
		Interval:     seconds(x.Cut.Interval),
		MaxBytes:     x.Cut.MaxBytes,
		MaxPacked:    x.Cut.MaxPacked,
		MaxEvents:    x.Cut.MaxEvents,
		Layout:       x.Output.Layout,
		Format:       x.Output.Format,
		Compression:  x.Output.Compression,
		FromStart:    x.FromStart,
		CreatedAt:    x.CreatedAt.UTC(),
		Status:       showStatus(x.Status),
		Options:      showOptions(x.Output),
	}
}

func showStatus(s control.Status) apiv1.Status {
	return apiv1.Status{
		State:           s.State,
		Reason:          s.Reason,
		Since:           moment(s.Since),
		NextRetryAt:     moment(s.NextRetryAt),
		WaitingEvents:   s.WaitingEvents,
		DeliveredEvents: s.DeliveredEvents,
		Batches:         s.Batches,
		LastDeliveryAt:  moment(s.LastDeliveryAt),
		Position:        showPosition(s.Position),
		Delivered:       showPosition(s.Delivered),
	}
}

func showPosition(p stream.Position) []int64 {
	return each(p, func(o stream.Offset) int64 { return int64(o) })
}
