package catalog

import (
	"context"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// Names that were settled elsewhere and are carried here when a log moves. They
// belong to claim 0, which never was open, so they count as stored. Carrying a
// name again is harmless: the first stays.

// CarriedKey is an idempotency key.
type CarriedKey struct {
	Key    string
	Digest uint64
	Range  stream.Range
	Until  time.Time // when it is forgotten
}

// CarriedID is the id of an event.
type CarriedID struct {
	ID    eventlog.ID
	Until time.Time
}

// CarryKeys stores keys of a stream, some hundreds at a time.
func (db *DB) CarryKeys(ctx context.Context, streamID string, keys []CarriedKey) error {
	args := make([]any, 0, 10*len(keys))
	for _, k := range keys {
		r := k.Range
		args = append(args, streamID, hashOf(k.Key), 0, 0, int64(k.Digest), int64(r.Partition), int64(r.End-r.Start), int64(r.Start), int64(r.End), seconds(k.Until))
	}
	return db.carry(ctx, `INSERT INTO append_key (stream_id, id, claim, entry, digest, part, events, start_at, end_at, expires_at) VALUES `, 10, args,
		` ON CONFLICT (stream_id, id) DO NOTHING`)
}

// CarryIDs stores ids of a stream, some hundreds at a time.
func (db *DB) CarryIDs(ctx context.Context, streamID string, ids []CarriedID) error {
	args := make([]any, 0, 4*len(ids))
	for i := range ids {
		args = append(args, streamID, ids[i].ID[:], 0, seconds(ids[i].Until))
	}
	return db.carry(ctx, `INSERT INTO append_id (stream_id, id, claim, expires_at) VALUES `, 4, args, ` ON CONFLICT (stream_id, id) DO NOTHING`)
}

// CarryMark stores how far a source of the stream has been read.
func (db *DB) CarryMark(ctx context.Context, streamID, mark string, at uint64) error {
	return db.carry(ctx, `INSERT INTO append_mark (stream_id, mark, at_done, at_next, claim) VALUES `, 5, []any{streamID, mark, int64(at), int64(at), 0},
		` ON CONFLICT (stream_id, mark) DO NOTHING`)
}

func (db *DB) carry(ctx context.Context, insert string, columns int, args []any, rest string) error {
	if len(args) == 0 {
		return nil
	}
	return db.change(ctx, "carry names", func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, insert+placeholders(len(args)/columns, columns)+rest, args...)
		return err
	})
}
