package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/problem"
	"strm/internal/stream"
)

type importerList struct {
	BatchImporters []apiv1.Importer `json:"batchImporters"`
}

// ImporterPath names a batch importer.
type ImporterPath struct {
	Name string `path:"name" doc:"Name of the batch importer"`
}

func (s *server) importers(api huma.API) {
	const tag, all, one = "batch importers", "/v1/batch-importers", "/v1/batch-importers/{name}"

	register(s, api, operation(http.MethodGet, all, "list-batch-importers", tag, "List batch importers"),
		func(ctx context.Context, in *struct {
			Stream string `query:"stream" doc:"Only those into this stream"`
		}) (*body[importerList], error) {
			importers, err := s.Control.Importers(ctx, in.Stream)
			return &body[importerList]{importerList{each(importers, showImporter)}}, err
		})

	create := operation(http.MethodPost, all, "create-batch-importer", tag, "Create a batch importer")
	create.DefaultStatus = http.StatusCreated
	create.Description = "Event files in the bucket of a sink become events of a stream, and status reports go back. With a topic, subscribe notificationEndpoint to it."
	register(s, api, create,
		func(ctx context.Context, in *struct{ Body apiv1.CreateImporter }) (*body[apiv1.Importer], error) {
			n, err := readImporter(in.Body)
			if err != nil {
				return nil, err
			}
			x, made, err := s.Control.CreateImporter(ctx, n)
			out := showImporter(x)
			out.NewStream = made
			return &body[apiv1.Importer]{out}, err
		})

	register(s, api, operation(http.MethodGet, one, "get-batch-importer", tag, "Show a batch importer and how it fares"),
		s.onImporter(s.Control.Importer))

	register(s, api, operation(http.MethodPatch, one, "update-batch-importer", tag, "Change a batch importer"),
		func(ctx context.Context, in *struct {
			ImporterPath
			Body apiv1.UpdateImporter
		}) (*body[apiv1.Importer], error) {
			ch, err := readImporterChange(in.Body)
			if err != nil {
				return nil, err
			}
			x, err := s.Control.UpdateImporter(ctx, in.Name, ch)
			return &body[apiv1.Importer]{showImporter(x)}, err
		})

	register(s, api, operation(http.MethodDelete, one, "delete-batch-importer", tag, "Delete a batch importer; what it imported stays"),
		func(ctx context.Context, in *ImporterPath) (*none, error) {
			return nil, s.Control.DeleteImporter(ctx, in.Name)
		})

	register(s, api, operation(http.MethodPost, one+"/pause", "pause-batch-importer", tag, "Stop importing; notices are taken all the same"),
		s.onImporter(s.Control.PauseImporter))
	register(s, api, operation(http.MethodPost, one+"/resume", "resume-batch-importer", tag, "Go on importing"),
		s.onImporter(s.Control.ResumeImporter))
}

// onImporter adapts the calls that take a name and return an importer.
func (s *server) onImporter(do func(context.Context, string) (control.Importer, error)) func(context.Context, *ImporterPath) (*body[apiv1.Importer], error) {
	return func(ctx context.Context, in *ImporterPath) (*body[apiv1.Importer], error) {
		x, err := do(ctx, in.Name)
		return &body[apiv1.Importer]{showImporter(x)}, err
	}
}

func readImporter(b apiv1.CreateImporter) (control.NewImporter, error) {
	n := control.NewImporter{
		Name: b.Name, Stream: b.Stream, Sink: b.Sink, Environments: b.Environments, Prefix: b.Prefix, Suffixes: b.Suffixes,
		StatusPrefix: b.StatusFolder, TopicARN: b.TopicARN, QueueURL: b.QueueURL, FromStart: b.IncludeExistingFiles,
	}
	var err error
	for what, d := range map[string]struct {
		text string
		into *time.Duration
	}{"listing interval": {b.ListEvery, &n.ListEvery}, "report interval": {b.ReportEvery, &n.ReportEvery}} {
		if d.text == "" {
			continue
		}
		if *d.into, err = readEvery(what, d.text); err != nil {
			return n, err
		}
	}
	return n, nil
}

// readEvery refuses zero here, as further in it means the default.
func readEvery(what, text string) (time.Duration, error) {
	d, err := control.ParseDuration(what, text)
	if err == nil && d == 0 {
		err = problem.New(problem.Invalid, "%s %q must be above 0", what, text)
	}
	return d, err
}

func readImporterChange(b apiv1.UpdateImporter) (control.ImporterChange, error) {
	ch := control.ImporterChange{
		Sink: b.Sink, Environments: b.Environments, Prefix: b.Prefix, Suffixes: b.Suffixes, StatusPrefix: b.StatusFolder,
		TopicARN: b.TopicARN, QueueURL: b.QueueURL,
	}
	var err error
	if ch.ListEvery, err = readDuration("listing interval", b.ListEvery); err != nil {
		return ch, err
	}
	ch.ReportEvery, err = readDuration("report interval", b.ReportEvery)
	return ch, err
}

func showImporter(x control.Importer) apiv1.Importer {
	return apiv1.Importer{
		Name: x.Name, ID: x.ID, Stream: x.Stream, Sink: x.Sink, Environments: each(x.Environments, same), Prefix: x.Prefix, Suffixes: each(x.Suffixes, same),
		StatusFolder: x.StatusPrefix, TopicARN: x.TopicARN, QueueURL: x.QueueURL, ListEvery: seconds(x.ListEvery), ReportEvery: seconds(x.ReportEvery),
		FromStart: x.FromStart, Endpoint: x.Endpoint, CreatedAt: x.CreatedAt.UTC(), UpdatedAt: x.UpdatedAt.UTC(), Status: showImporterStatus(x),
	}
}

func same(s string) string { return s }

func showImporterStatus(x control.Importer) apiv1.ImporterStatus {
	out := apiv1.ImporterStatus{
		State: "running", Reason: x.Problem, NoticedAt: moment(x.NoticedAt), ListedAt: moment(x.ListedAt),
		Files: x.Totals.Files, WaitingFiles: x.Totals.Open, Unreported: x.Totals.Unreported, Rows: x.Totals.Rows, Accepted: x.Totals.Accepted,
		LastDoneAt: moment(x.Totals.LastDoneAt),
	}
	switch {
	case x.Paused:
		out.State = "paused"
	case x.Problem != "":
		out.State = "failing"
	}
	if x.TopicARN != "" {
		sub := x.Subscription
		out.Subscription = &apiv1.Subscription{State: string(sub.State), ARN: sub.ARN, At: moment(sub.At), TestedAt: moment(sub.TestedAt), TestBucket: sub.TestBucket}
		if sub.State == stream.SubscriptionNone {
			out.Subscription.State = "pending"
		}
	}
	return out
}
