package control

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"strm/internal/catalog"
	"strm/internal/exporter"
	"strm/internal/problem"
	"strm/internal/stream"
)

// MaxWait bounds how long one Flush waits; call again with its token to go on.
const MaxWait = 5 * time.Minute

// Flushed is the outcome of a flush.
type Flushed struct {
	Done   bool   // everything durable when the flush began is in the bucket
	Token  string // names that point, for another call
	Status Status
}

// Flush closes a batch with all that is durable now, and waits up to wait
// until it is in the bucket, or until the exporter is blocked or paused. With
// a token of an earlier flush it closes nothing and waits for that one.
func (c *Control) Flush(ctx context.Context, streamName, name, token string, wait time.Duration) (Flushed, error) {
	if wait < 0 || wait > MaxWait {
		return Flushed{}, problem.New(problem.Invalid, "wait: %v is not between 0 and %v; call again with the token to wait longer", wait, MaxWait)
	}
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return Flushed{}, err
	}
	var target stream.Position
	if token != "" {
		target, err = parseToken(e, token)
	} else {
		target, err = c.runner.Flush(ctx, e.ID)
	}
	if err != nil {
		return Flushed{}, classify(err)
	}
	var done bool
	if wait > 0 {
		waiting, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if done, err = c.runner.WaitDelivered(waiting, e.ID, target); err != nil {
			return Flushed{}, classify(err)
		}
	}
	// The flush has moved the position, so show the exporter as it is now.
	if e, err = c.catalog.ExporterNamed(ctx, e.Stream, e.Name); err != nil {
		return Flushed{}, err
	}
	x, err := c.status(ctx, e)
	if err != nil {
		return Flushed{}, err
	}
	done = done || !x.Status.Delivered.Before(target)
	return Flushed{Done: done, Token: makeToken(e, target), Status: x.Status}, nil
}

// makeToken writes a position down for the caller to bring back: the
// exporter's id, a dot, and the offsets as varints in base64.
func makeToken(e stream.Exporter, p stream.Position) string {
	var b []byte
	for _, o := range p {
		b = binary.AppendUvarint(b, uint64(o))
	}
	return e.ID + "." + base64.RawURLEncoding.EncodeToString(b)
}

func parseToken(e stream.Exporter, token string) (stream.Position, error) {
	refused := problem.New(problem.Invalid, "the token is not one of a flush of batch exporter %q", e.Name)
	id, text, ok := strings.Cut(token, ".")
	if !ok || id != e.ID {
		return nil, refused
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, refused
	}
	var p stream.Position
	for len(b) > 0 {
		o, n := binary.Uvarint(b)
		if n <= 0 || o > 1<<63-1 || len(p) == MaxPartitions {
			return nil, refused
		}
		p = append(p, stream.Offset(o))
		b = b[n:]
	}
	if len(p) != len(e.Next) {
		return nil, refused
	}
	return p, nil
}

// Replay plans the events received in [from, to) once more, into another path
// prefix of the same sink. Zero times mean no bound. What was delivered before
// stays as it is. The planned batches are in the ledger when it returns.
//
// From reading the log until the plan holds it, nothing may be trimmed: else the
// plan could name events that are gone, and its batches could never be written.
func (c *Control) Replay(ctx context.Context, streamName, name, into string, from, to time.Time) (exporter.Replay, error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return exporter.Replay{}, err
	}
	if into == "" {
		return exporter.Replay{}, problem.New(problem.Invalid, "a replay needs another path prefix to write into")
	}
	if err := stream.CheckPathPrefix(into); err != nil {
		return exporter.Replay{}, err
	}
	if into == e.Output.PathPrefix {
		return exporter.Replay{}, problem.New(problem.Invalid, "path prefix %q is where batch exporter %q delivers; its events would be there twice. Replay into another", into, e.Name)
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return exporter.Replay{}, problem.New(problem.Invalid, "from must be before to")
	}
	unlock, err := c.trimming.Lock(ctx)
	if err != nil {
		return exporter.Replay{}, err
	}
	defer unlock()
	r, err := c.runner.Replay(ctx, e.ID, into, from, to)
	return r, classify(err)
}

// CancelReplay gives up what is unfinished of a replay and returns the number
// of its batches, 0 if nothing was left to do. What it has delivered stays in
// the bucket; an object that is being written at this moment may still appear.
// Errors: NotFound if the exporter has no such replay.
//
// The catalog is one write. Stopped after it, or its answer lost, the ledger
// takes nothing more of the replay, and repeating the call is harmless.
func (c *Control) CancelReplay(ctx context.Context, streamName, name, replay string) (int64, error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return 0, err
	}
	n, err := c.catalog.AbandonReplay(ctx, e.ID, replay)
	if err != nil && !mayHaveHappened(err) {
		return 0, err
	}
	// Even a failed write may have happened, so the runner looks either way.
	done, cancel := c.finishing(ctx)
	defer cancel()
	if rerr := c.runner.Reload(done, e.ID); rerr != nil {
		err = errors.Join(err, problem.New(problem.KindOf(rerr), "the replay is given up, but batch exporter %q has not heard of it: %w", e.Name, rerr))
	}
	return n, err
}

// Verify compares the ledger with itself and, where reading is permitted, with
// the bucket.
func (c *Control) Verify(ctx context.Context, streamName, name string) (stream.Exporter, exporter.Verification, error) {
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return stream.Exporter{}, exporter.Verification{}, err
	}
	v, err := c.runner.Verify(ctx, e.ID)
	return e, v, classify(err)
}

// The sizes of a page of batches.
const (
	DefaultBatches = 100
	MaxBatches     = 1000
)

// BatchFilter says which batches to list.
type BatchFilter struct {
	Limit  int               // 0 means DefaultBatches
	Before int64             // only batches with a lower number; 0 for the newest
	State  stream.BatchState // empty for all
	Replay string            // only of that replay; empty for all
}

// BatchPage is a part of the ledger, newest first.
type BatchPage struct {
	Exporter stream.Exporter
	Batches  []stream.Batch
	Next     int64 // Before of the next page, which may be empty; 0 when there is none
}

// Batches lists the batches of an exporter.
func (c *Control) Batches(ctx context.Context, streamName, name string, f BatchFilter) (BatchPage, error) {
	if f.Limit == 0 {
		f.Limit = DefaultBatches
	}
	if f.Limit < 0 || f.Limit > MaxBatches {
		return BatchPage{}, problem.New(problem.Invalid, "limit: %d is not between 1 and %d", f.Limit, MaxBatches)
	}
	if f.Before < 0 {
		return BatchPage{}, problem.New(problem.Invalid, "before: %d is no number of a batch", f.Before)
	}
	switch f.State {
	case "", stream.BatchPlanned, stream.BatchAttempted, stream.BatchDone, stream.BatchAbandoned:
	default:
		return BatchPage{}, problem.New(problem.Invalid, "state %q is not known; use planned, attempted, done or abandoned", f.State)
	}
	e, err := c.catalog.ExporterNamed(ctx, streamName, name)
	if err != nil {
		return BatchPage{}, err
	}
	batches, err := c.catalog.Batches(ctx, e.ID, catalog.BatchQuery{
		Limit: f.Limit, BeforeSeq: f.Before, State: f.State, Replay: f.Replay,
	})
	if err != nil {
		return BatchPage{}, err
	}
	p := BatchPage{Exporter: e, Batches: batches}
	// A full page may have a next one, unless it ends with the first batch of all.
	if n := len(batches); n == f.Limit && batches[n-1].Seq > 1 {
		p.Next = batches[n-1].Seq
	}
	return p, nil
}

// Batch returns a batch and the name of its exporter, or the exporter's id
// where the exporter is deleted.
func (c *Control) Batch(ctx context.Context, id string) (stream.Batch, string, error) {
	b, err := c.catalog.Batch(ctx, id)
	if err != nil {
		return stream.Batch{}, "", err
	}
	exporters, err := c.catalog.Exporters(ctx)
	if err != nil {
		return stream.Batch{}, "", err
	}
	for _, e := range exporters {
		if e.ID == b.ExporterID {
			return b, e.Name, nil
		}
	}
	return b, b.ExporterID, nil
}
