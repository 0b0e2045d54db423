package migrate

import (
	"context"
	"time"

	"strm/internal/catalog"
	"strm/internal/stream"
)

// nameChunk is how many names are stored at once.
const nameChunk = 500

// moveNames copies the names of appends: what was sent before the move and comes
// again after it is still a repeat.
func (m *move) moveNames(ctx context.Context) error {
	windows, err := m.windows(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	for _, s := range m.streams {
		keys, err := m.moveKeys(ctx, s, now)
		if err != nil {
			return err
		}
		ids, err := m.moveIDs(ctx, s, now, windows[s.ID])
		if err != nil {
			return err
		}
		marks, err := m.moveMarks(ctx, s)
		if err != nil {
			return err
		}
		if keys+ids+marks > 0 {
			m.Tell("stream %s: %d idempotency keys, %d event ids, %d marks", s.Name, keys, ids, marks)
		}
	}
	return nil
}

// windows returns for how long the event ids of each stream count.
func (m *move) windows(ctx context.Context) (map[string]time.Duration, error) {
	sources, err := m.catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]time.Duration{}
	for _, s := range sources {
		out[s.StreamID] = max(out[s.StreamID], s.DedupWindow)
	}
	return out, nil
}

func (m *move) moveKeys(ctx context.Context, s stream.Stream, now time.Time) (n int, err error) {
	var chunk []catalog.CarriedKey
	flush := func() error {
		n += len(chunk)
		err := m.Catalog.CarryKeys(ctx, s.ID, chunk)
		chunk = chunk[:0]
		return err
	}
	for k, err := range m.log.Keys(ctx, s.ID) {
		if err != nil {
			return n, err
		}
		until := k.Stored.Add(m.KeyTTL)
		if !until.After(now) {
			continue
		}
		chunk = append(chunk, catalog.CarriedKey{Key: k.Key, Digest: k.Digest, Range: k.Range, Until: until})
		if len(chunk) == nameChunk {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, flush()
}

func (m *move) moveIDs(ctx context.Context, s stream.Stream, now time.Time, window time.Duration) (n int, err error) {
	if window <= 0 {
		return 0, nil // nobody asks for them
	}
	var chunk []catalog.CarriedID
	flush := func() error {
		n += len(chunk)
		err := m.Catalog.CarryIDs(ctx, s.ID, chunk)
		chunk = chunk[:0]
		return err
	}
	for k, err := range m.log.IDs(ctx, s.ID) {
		if err != nil {
			return n, err
		}
		until := k.Stored.Add(window)
		if !until.After(now) {
			continue
		}
		for _, id := range k.IDs {
			chunk = append(chunk, catalog.CarriedID{ID: id, Until: until})
		}
		if len(chunk) >= nameChunk {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, flush()
}

func (m *move) moveMarks(ctx context.Context, s stream.Stream) (n int, err error) {
	for k, err := range m.log.Marks(ctx, s.ID) {
		if err != nil {
			return n, err
		}
		if err := m.Catalog.CarryMark(ctx, s.ID, k.Mark, k.At); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
