// Package retention removes what streams need not keep any longer: blocks older
// than a stream's age, or beyond its size, and, when the log as a whole runs out
// of room, what has been delivered everywhere, oldest first. It never passes an
// event that some exporter has yet to deliver; when only such events are left,
// the bounds turn into back-pressure at the intake instead.
package retention

import (
	"context"
	"errors"
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

// Room is what retention reads of the log as a whole. It must answer at once.
type Room interface {
	// Pressure returns the packed bytes of all events kept and their bound (0:
	// none), and the bytes free on the disk (-1: unknown) and those that must
	// stay free (negative: no such rule).
	Pressure() (packed, maxPacked, free, minFree int64)
}

const (
	// defaultEvery is how often retention looks while there is room.
	defaultEvery = 10 * time.Second
	// soon is how often it looks at the room, and works while there is none.
	soon = 2 * time.Second
	// settling is how long the log may take to give space back to the disk.
	// Counting on it that long keeps one shortage from taking twice.
	settling = 5 * time.Second
	// repeatError is how often an error that stays is logged.
	repeatError = time.Minute
)

// Keeper applies retention to all streams.
type Keeper struct {
	Log     eventlog.Log
	Room    Room // nil: the log as a whole has no bounds
	Catalog Catalog
	Logger  *slog.Logger
	Every   time.Duration // 0: 10 s; full logs and streams are looked at every 2 s

	// Trimming is held from reading what exporters need until the trim is done,
	// so that no exporter is made to begin below the floor meanwhile.
	Trimming Locker

	// Owns says whether this node is to do it; nil: it is. Two that do harm nothing.
	Owns func() bool

	once   sync.Mutex // guards what follows: one Once at a time
	recent []freed
	short  bool // at the last look, a stream or the log was full
	said   bool // that nothing is left to remove
}

// Locker is a lock that holds among all nodes, and that somebody may wait for as
// long as his context.
type Locker interface {
	Lock(ctx context.Context) (unlock func(), err error)
}

// Duty is what Keeper.Owns asks for.
const Duty = "retention"

// freed is space that was, or will soon be, given back to the disk.
type freed struct {
	at     time.Time
	packed int64
}

// Run works until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	every := k.Every
	if every <= 0 {
		every = defaultEvery
	}
	t := time.NewTicker(min(soon, every))
	defer t.Stop()
	var began, told time.Time
	var last string
	for {
		if now := time.Now(); k.owns() && (began.IsZero() || now.Sub(began) >= every || k.pressed(now)) {
			began = now
			err := k.Once(ctx, now)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				last = ""
			} else if text := err.Error(); text != last || now.Sub(told) >= repeatError {
				k.Logger.Error("retention", slog.Any("error", err))
				last, told = text, now
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
}

func (k *Keeper) owns() bool { return k.Owns == nil || k.Owns() }

// pressed reports whether the next look cannot wait.
func (k *Keeper) pressed(now time.Time) bool {
	k.once.Lock()
	defer k.once.Unlock()
	return k.short || k.room(now).tight()
}

// Once applies retention once. What fails for one stream does not keep it from
// the others; the errors come back joined. If it stops half way, the rest is
// done the next time: a trim only removes what may go.
func (k *Keeper) Once(ctx context.Context, now time.Time) error {
	k.once.Lock()
	defer k.once.Unlock()
	streams, err := k.Catalog.Streams(ctx)
	if err != nil {
		return err
	}
	unlock, err := k.Trimming.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	room := k.room(now)
	lots, err := k.lots(ctx, streams, room.tight())
	index := func(streamID string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
		return k.Log.Index(ctx, streamID, r)
	}
	d := decide(lots, index, room, now)
	err = errors.Join(err, d.err)
	var made int64
	for _, t := range d.trims {
		if terr := k.Log.Trim(ctx, t.lot.stream.ID, t.n, t.before); terr != nil {
			if !errors.Is(terr, eventlog.ErrNoStream) {
				err = errors.Join(err, fmt.Errorf("stream %s: %w", t.lot.stream.Name, terr))
			}
			continue
		}
		made += t.forRoom
		if k.Room != nil {
			k.recent = append(k.recent, freed{now, t.packed})
		}
	}
	k.short = d.short
	k.say(room, d.need, made)
	return err
}

// lots reads how the streams stand. Without pressure only those matter that
// have bounds of their own.
func (k *Keeper) lots(ctx context.Context, streams []stream.Stream, all bool) (lots []*lot, failed error) {
	for _, s := range streams {
		if !all && s.Retention == (stream.Retention{}) {
			continue
		}
		l, err := k.lot(ctx, s)
		if errors.Is(err, eventlog.ErrNoStream) {
			continue // deleted meanwhile
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("stream %s: %w", s.Name, err))
			continue
		}
		lots = append(lots, l)
	}
	return lots, failed
}

func (k *Keeper) lot(ctx context.Context, s stream.Stream) (*lot, error) {
	bounds, err := k.Log.Bounds(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	held, exported, err := k.Catalog.Held(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	return &lot{stream: s, bounds: bounds, held: held, exported: exported}, nil
}

// room asks the log, and counts on what was trimmed a moment ago.
func (k *Keeper) room(now time.Time) room {
	if k.Room == nil {
		return room{free: -1, minFree: -1}
	}
	var r room
	r.packed, r.maxPacked, r.free, r.minFree = k.Room.Pressure()
	kept := k.recent[:0]
	for _, f := range k.recent {
		if age := now.Sub(f.at); age >= 0 && age < settling {
			kept = append(kept, f)
			r.coming += f.packed
		}
	}
	k.recent = kept
	return r
}

// say tells the operator what room was made, and once that none can be made.
func (k *Keeper) say(r room, need, made int64) {
	numbers := []any{
		slog.Int64("packed", r.packed), slog.Int64("max_packed", r.maxPacked),
		slog.Int64("free", r.free), slog.Int64("min_free", r.minFree), slog.Int64("removed", made),
	}
	if made > 0 {
		k.Logger.Warn("the log runs out of room: the oldest delivered events were removed before their time", numbers...)
	}
	stuck := need > made
	if stuck && !k.said {
		k.Logger.Warn("the log runs out of room and nothing more may be removed: what it keeps has yet to be delivered, or is of streams without an exporter", numbers...)
	}
	k.said = stuck
}
