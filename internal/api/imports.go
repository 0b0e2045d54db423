package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/stream"
)

type importList struct {
	Imports []apiv1.Import `json:"imports"`
	Next    int64          `json:"next,omitempty" doc:"before= of the next page; absent on the last"`
}

func (s *server) imports(api huma.API) {
	const tag = "imports"

	register(s, api, operation(http.MethodGet, "/v1/imports", "list-imports", tag, "List imported files, newest first"),
		func(ctx context.Context, in *struct {
			Importer string `query:"importer" doc:"Only those of this batch importer"`
			State    string `query:"state" doc:"noticed, running, done or abandoned"`
			Prefix   string `query:"prefix" doc:"Only files whose keys begin with it"`
			Limit    int    `query:"limit" doc:"At most so many; 100 if left out, at most 1000"`
			Before   int64  `query:"before" doc:"Only imports with a lower id"`
		}) (*body[importList], error) {
			p, err := s.Control.Imports(ctx, control.ImportFilter{
				Importer: in.Importer, State: stream.ImportState(in.State), KeyPrefix: in.Prefix, Limit: in.Limit, Before: in.Before,
			})
			return &body[importList]{importList{Imports: each(p.Imports, showImport), Next: p.Next}}, err
		})

	register(s, api, operation(http.MethodGet, "/v1/imports/{id}", "get-import", tag, "Show what became of a file and its rows"),
		func(ctx context.Context, in *struct {
			ID int64 `path:"id" doc:"Id of the import"`
		}) (*body[apiv1.Import], error) {
			d, err := s.Control.Import(ctx, in.ID)
			out := showImport(d.Import)
			out.Entries = each(d.Entries, func(e stream.StatusEntry) apiv1.StatusEntry { return showEntry(e, d.ObjectAt) })
			if r := d.Report; r != nil {
				out.Report = &apiv1.Report{Key: r.Key(), State: string(r.State), Problem: r.Problem, NextTryAt: moment(r.NextTryAt), DoneAt: moment(r.DoneAt)}
			}
			return &body[apiv1.Import]{out}, err
		})
}

func showImport(i stream.Import) apiv1.Import {
	out := apiv1.Import{
		ID: i.ID, Importer: i.Importer, Key: i.Key, VersionID: i.VersionID(), ETag: i.ETag, Bytes: i.Size, CreatedAt: i.ObjectAt.UTC(), Via: i.Via, State: string(i.State),
		Environments: i.Environments, Rows: i.Rows, Accepted: i.Accepted, Attempts: i.Attempts, Problem: i.Problem, NextTryAt: moment(i.NextTryAt),
		NoticedAt: i.NoticedAt.UTC(), StartedAt: moment(i.StartedAt), DoneAt: moment(i.DoneAt),
	}
	if !i.StartedAt.IsZero() {
		p := int(i.Partition)
		out.Partition = &p
	}
	return out
}

// showEntry shows an entry as the status report has it.
func showEntry(e stream.StatusEntry, at time.Time) apiv1.StatusEntry {
	return apiv1.StatusEntry{
		CreationTime: at.UnixMilli(), EntryID: e.EntryID, Valid: e.Valid, Rows: e.Rows,
		Errors:  each(e.Errors, func(c stream.RowError) string { return string(c) }),
		Details: each(e.Details, same), Warnings: each(e.Warnings, same),
	}
}
