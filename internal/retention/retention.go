// Package retention removes what streams need not keep any longer: blocks older
// than a stream's age, or beyond its size, oldest first. It never passes an
// event that some exporter has yet to deliver; when only such events are left,
// the size bound turns into back-pressure at the intake instead.
package retention

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// Catalog is what retention reads of the configuration and the ledger.
type Catalog interface {
	Streams(ctx context.Context) ([]stream.Stream, error)
	// Held returns the lowest offsets that exporters still need, or false if
	// the stream has no exporter.
	Held(ctx context.Context, streamID string) (stream.Position, bool, error)
}

// Keeper applies retention to all streams.
type Keeper struct {
	Log     eventlog.Log
	Catalog Catalog
	Logger  *slog.Logger
	Every   time.Duration // 0: 10 s

	// Trimming is held from reading what exporters need until the trim is done,
	// so that no exporter is made to begin below the floor meanwhile.
	Trimming sync.Locker
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	every := k.Every
	if every <= 0 {
		every = 10 * time.Second
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := k.Once(ctx, time.Now()); err != nil && ctx.Err() == nil {
			k.Logger.Error("retention", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Once applies retention once. If it stops half way, the rest is done the next
// time: a trim only removes what may go.
func (k *Keeper) Once(ctx context.Context, now time.Time) error {
	streams, err := k.Catalog.Streams(ctx)
	if err != nil {
		return err
	}
	for _, s := range streams {
		if s.Retention == (stream.Retention{}) {
			continue
		}
		if err := k.stream(ctx, s, now); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	return nil
}

func (k *Keeper) stream(ctx context.Context, s stream.Stream, now time.Time) error {
	k.Trimming.Lock()
	defer k.Trimming.Unlock()
	bounds, err := k.Log.Bounds(ctx, s.ID)
	if err != nil {
		return err
	}
	held, ok, err := k.Catalog.Held(ctx, s.ID)
	if err != nil {
		return err
	}
	var total int64
	for _, b := range bounds {
		total += b.Packed
	}
	for p, b := range bounds {
		limit := b.End
		if ok && p < len(held) {
			limit = min(limit, held[p])
		}
		rule := rule{limit: limit, packed: b.Packed}
		if s.Retention.MaxAge > 0 {
			rule.oldest = now.Add(-s.Retention.MaxAge)
		}
		if s.Retention.MaxBytes > 0 && total >= s.Retention.MaxBytes {
			// A tenth below the bound, so that intake gets room to go on.
			rule.keep = s.Retention.MaxBytes / 10 * 9 / int64(len(bounds))
		}
		r := stream.Range{Partition: stream.Partition(p), Start: b.Floor, End: b.End}
		before, err := rule.before(b.Floor, k.Log.Index(ctx, s.ID, r))
		if err != nil {
			return err
		}
		if before > b.Floor {
			if err := k.Log.Trim(ctx, s.ID, r.Partition, before); err != nil {
				return err
			}
		}
	}
	return nil
}

// rule is what one partition may lose.
type rule struct {
	limit  stream.Offset // nothing at or above it
	oldest time.Time     // blocks wholly received before go; zero: no such rule
	keep   int64         // packed bytes to keep; 0: no such rule
	packed int64         // packed bytes now
}

// before returns the offset below which blocks may be removed. It reads no
// further than the first block that stays.
func (r rule) before(floor stream.Offset, blocks iter.Seq2[stream.BlockHeader, error]) (stream.Offset, error) {
	for h, err := range blocks {
		if err != nil {
			return floor, err
		}
		old := !r.oldest.IsZero() && h.LastAt.Before(r.oldest)
		big := r.keep > 0 && r.packed > r.keep
		if h.Range.End > r.limit || !old && !big {
			return floor, nil
		}
		floor = h.Range.End
		r.packed -= h.Packed
	}
	return floor, nil
}
