package control

import (
	"context"
	"time"

	"strm/internal/exporter"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// Status is how an exporter fares now.
type Status struct {
	State           string // exporter.StateRunning and the like
	Reason          string
	Since           time.Time // of the present trouble
	NextRetryAt     time.Time
	WaitingEvents   int64 // accepted, not yet delivered
	DeliveredEvents int64
	Batches         int64 // done
	LastDeliveryAt  time.Time
	Position        stream.Position // next to plan
	Delivered       stream.Position // everything below is in the bucket
}

// failed notes a trial of the sink that failed just now. The runner may not
// have met the trouble yet, as it has nothing to deliver.
func (s *Status) failed(err error, paused bool) {
	s.Reason = err.Error()
	switch {
	case paused:
		s.State = exporter.StatePaused
	case objstore.NeedsPerson(err):
		s.State = exporter.StateBlocked
	default:
		s.State = exporter.StateRetrying
	}
	if s.Since.IsZero() {
		s.Since = now()
	}
}

func (c *Control) withStatus(ctx context.Context, exporters []stream.Exporter) ([]Exporter, error) {
	out := make([]Exporter, 0, len(exporters))
	for _, e := range exporters {
		x, err := c.status(ctx, e)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// status joins what the ledger knows of the past with what the runner knows of
// the present.
func (c *Control) status(ctx context.Context, e stream.Exporter) (Exporter, error) {
	totals, err := c.catalog.Totals(ctx, e.ID)
	if err != nil {
		return Exporter{}, err
	}
	live := c.runner.Status(e.ID)
	s := Status{
		State:           live.State,
		Reason:          live.Reason,
		Since:           live.Since,
		NextRetryAt:     live.NextRetryAt,
		WaitingEvents:   live.Waiting,
		DeliveredEvents: totals.Events,
		Batches:         totals.Batches,
		LastDeliveryAt:  live.LastDeliveryAt,
		Position:        e.Next,
		Delivered:       live.Delivered,
	}
	if totals.LastDoneAt.After(s.LastDeliveryAt) {
		s.LastDeliveryAt = totals.LastDoneAt
	}
	switch {
	case e.Paused:
		s.State = exporter.StatePaused
	case s.State == "":
		s.State = exporter.StateRunning
	}
	if s.Delivered == nil {
		s.Delivered = e.Start // the runner has not taken it up yet
	}
	return Exporter{Exporter: e, Status: s}, nil
}
