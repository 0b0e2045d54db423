package embedded

import (
	"context"
	"errors"
	"fmt"

	"strm/internal/stream"
)

// Trim implements eventlog.Log. A before past the durable end trims everything
// that is durable now. The engine is told to flush tombstones within seconds
// (FlushDelayDeleteRange), which is when the files go.
func (l *Log) Trim(ctx context.Context, streamID string, n stream.Partition, before stream.Offset) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	s, err := l.stream(streamID)
	if err != nil {
		return err
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if s.dropped.Load() {
		return noStream(streamID)
	}
	p, err := s.partition(n)
	if err != nil {
		return err
	}
	if p.damage != nil {
		return p.damage
	}
	p.trimming.Lock()
	defer p.trimming.Unlock()
	v := p.view()
	f, err := l.newFloor(p, min(before, v.end))
	if err != nil {
		return err
	}
	if f.offset <= v.floor {
		return nil
	}
	b := l.db.NewBatch()
	key := partitionKey(spaceFloor, s.number, n)
	errs := []error{b.Set(key, f.encode(key), nil)}
	for _, space := range []byte{spaceHeader, spacePayload} {
		errs = append(errs, b.DeleteRange(partitionKey(space, s.number, n), blockKey(space, s.number, n, f.offset), nil))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("trim stream %s partition %d: %w", streamID, n, err)
	}
	// The floor moves in memory first: a reader that meets the gap then knows
	// it for a trim. If we crash before the batch is durable nothing was
	// removed, and readers see the old floor again.
	p.seenMu.Lock()
	p.seen.floor, p.seen.floorBefore = f.offset, f.before
	p.seenMu.Unlock()
	if err := l.apply(b); err != nil {
		return err
	}
	l.packed.Add(-int64(f.before - v.floorBefore))
	return nil
}

// newFloor finds the end of the last block that lies wholly below before. It is
// at or below the present floor when there is none.
func (l *Log) newFloor(p *partition, before stream.Offset) (floor, error) {
	for {
		off, h, found, err := l.lastBlock(p, before)
		if err != nil || !found {
			return floor{}, err
		}
		if end := off + stream.Offset(h.events); end <= before {
			return floor{offset: end, before: h.before + h.packed, last: h.last}, nil
		}
		before = off // the block straddles: the one before it ends here
	}
}
