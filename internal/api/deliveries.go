package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/exporter"
)

func (s *server) deliveries(api huma.API) {
	flush := operation(http.MethodPost, exporterPath+"/flush", "flush-batch-exporter", exportersTag, "Deliver all that waits now")
	flush.Description = "done is true once every event that was durable when the flush began is in the bucket. To go on waiting for the same events, call again with until=token."
	register(s, api, flush,
		func(ctx context.Context, in *struct {
			ExporterRef
			Wait  string `query:"wait" doc:"How long to wait for the delivery, at most 5m; not at all if left out" example:"30s"`
			Until string `query:"until" doc:"The token of an earlier flush"`
		}) (*body[apiv1.Flush], error) {
			var wait time.Duration
			if in.Wait != "" {
				var err error
				if wait, err = control.ParseDuration("wait", in.Wait); err != nil {
					return nil, err
				}
			}
			ctx, cancel := s.untilStopping(ctx)
			defer cancel()
			f, err := s.Control.Flush(ctx, in.Stream, in.Name, in.Until, wait)
			return &body[apiv1.Flush]{apiv1.Flush{Done: f.Done, Token: f.Token, Status: showStatus(f.Status)}}, err
		})

	register(s, api, operation(http.MethodPost, exporterPath+"/replay", "replay-batch-exporter", exportersTag, "Deliver past events once more, into another path prefix"),
		func(ctx context.Context, in *struct {
			ExporterRef
			Body apiv1.Replay
		}) (*body[apiv1.Replayed], error) {
			var from, to time.Time
			if in.Body.From != nil {
				from = *in.Body.From
			}
			if in.Body.To != nil {
				to = *in.Body.To
			}
			r, err := s.Control.Replay(ctx, in.Stream, in.Name, in.Body.Into, from, to)
			batches := append([]string{}, r.Batches...)
			return &body[apiv1.Replayed]{apiv1.Replayed{Replay: r.ID, Events: r.Events, Batches: batches}}, err
		})

	cancel := operation(http.MethodDelete, exporterPath+"/replays/{id}", "cancel-replay", exportersTag, "Give up what is unfinished of a replay")
	cancel.Description = "What the replay has delivered stays in the bucket. An object that is being written at this moment may still appear."
	register(s, api, cancel,
		func(ctx context.Context, in *struct {
			ExporterRef
			ID string `path:"id" doc:"Id of the replay"`
		}) (*body[apiv1.Cancelled], error) {
			n, err := s.Control.CancelReplay(ctx, in.Stream, in.Name, in.ID)
			return &body[apiv1.Cancelled]{apiv1.Cancelled{Abandoned: n}}, err
		})

	register(s, api, operation(http.MethodPost, exporterPath+"/verify", "verify-batch-exporter", exportersTag, "Compare the ledger and, where reading is permitted, the bucket with what should be there"),
		func(ctx context.Context, in *ExporterRef) (*body[apiv1.Verification], error) {
			ctx, cancel := s.untilStopping(ctx)
			defer cancel()
			e, v, err := s.Control.Verify(ctx, in.Stream, in.Name)
			return &body[apiv1.Verification]{showVerification(e.Name, v)}, err
		})
}

func showVerification(name string, v exporter.Verification) apiv1.Verification {
	return apiv1.Verification{
		OK:       v.OK,
		Exporter: name,
		Batches:  v.Batches,
		Objects:  v.Objects,
		Events:   v.Events,
		Bytes:    v.Bytes,
		Read:     v.Read,
		NotRead:  v.NotRead,
		Differences: each(v.Differences, func(d exporter.Difference) apiv1.Difference {
			return apiv1.Difference{Batch: d.Batch, Key: d.Key, What: d.What}
		}),
	}
}
