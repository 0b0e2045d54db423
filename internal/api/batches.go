package api

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/stream"
)

type batchList struct {
	Batches []apiv1.Batch `json:"batches"`
	Next    int64         `json:"next,omitempty" doc:"before= of the next page; absent on the last"`
}

type info struct {
	Installation      string `json:"installation"`
	Version           string `json:"version"`
	IdempotencyWindow string `json:"idempotencyWindow" doc:"For how long a repeated Idempotency-Key counts once, as 24h0m0s"`
}

func (s *server) batches(api huma.API) {
	register(s, api, operation(http.MethodGet, exporterPath+"/batches", "list-batches", "batches", "List the batches of a batch exporter, newest first"),
		func(ctx context.Context, in *struct {
			ExporterRef
			Limit  int    `query:"limit" doc:"At most so many; 100 if left out, at most 1000"`
			Before int64  `query:"before" doc:"Only batches with a lower number"`
			State  string `query:"state" doc:"planned, attempted, done or abandoned"`
			Replay string `query:"replay" doc:"Only batches of this replay"`
		}) (*body[batchList], error) {
			p, err := s.Control.Batches(ctx, in.Stream, in.Name, control.BatchFilter{
				Limit: in.Limit, Before: in.Before, State: stream.BatchState(in.State), Replay: in.Replay,
			})
			return &body[batchList]{batchList{
				Batches: each(p.Batches, func(b stream.Batch) apiv1.Batch { return showBatch(b, p.Exporter.Name) }),
				Next:    p.Next,
			}}, err
		})

	register(s, api, operation(http.MethodGet, "/v1/batches/{id}", "get-batch", "batches", "Show a batch"),
		func(ctx context.Context, in *struct {
			ID string `path:"id" doc:"Id of the batch"`
		}) (*body[apiv1.Batch], error) {
			b, exporterName, err := s.Control.Batch(ctx, in.ID)
			return &body[apiv1.Batch]{showBatch(b, exporterName)}, err
		})
}

func (s *server) info(api huma.API) {
	register(s, api, operation(http.MethodGet, "/v1/info", "get-info", "server", "Show which server this is"),
		func(ctx context.Context, _ *none) (*body[info], error) {
			id, err := s.Control.Installation(ctx)
			return &body[info]{info{Installation: id, Version: s.Version, IdempotencyWindow: s.IdempotencyWindow.String()}}, err
		})
}

func showBatch(b stream.Batch, exporterName string) apiv1.Batch {
	return apiv1.Batch{
		ID:          b.ID,
		Exporter:    exporterName,
		Stream:      b.Stream,
		Seq:         b.Seq,
		Sink:        b.Sink,
		State:       string(b.State),
		Reason:      string(b.Reason),
		Replay:      b.Replay,
		CutAt:       b.CutAt.UTC(),
		Events:      b.Events(),
		Bytes:       b.Bytes(),
		Ranges:      each(b.Ranges(), showRange),
		Objects:     each(b.Objects, showObject),
		Encoder:     b.Encoder,
		Attempts:    b.Attempts,
		Problem:     b.Problem,
		Blocked:     b.Blocked,
		NextRetryAt: moment(b.NextRetryAt),
		PlannedAt:   b.PlannedAt.UTC(),
		AttemptedAt: moment(b.AttemptedAt),
		DoneAt:      moment(b.DoneAt),
	}
}

func showRange(r stream.Range) apiv1.Range {
	return apiv1.Range{Partition: int(r.Partition), Start: int64(r.Start), End: int64(r.End)}
}

func showObject(o stream.Object) apiv1.Object {
	out := apiv1.Object{Key: o.Key, Events: o.Events, Stored: o.Stored, Received: moment(o.Received), Ranges: each(o.Ranges, showRange)}
	if o.Stored {
		out.Bytes = o.Bytes
		out.CRC32 = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, o.CRC32))
	}
	return out
}
