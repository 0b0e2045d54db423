package catalog

import (
	"context"

	"strm/internal/problem"
	"strm/internal/stream"
)

// maxGrown bounds the partitions of a stream whose topic grows: as many as one may be made with.
const maxGrown = 256

// GrowStream notes that the topic of a stream has that many partitions now. Its
// exporters go on in the new ones at their beginning, as nothing was read from them. It never
// takes partitions away: a number that is not larger changes nothing. Kind Invalid if there
// are more than a stream may have.
func (db *DB) GrowStream(ctx context.Context, id string, partitions int) error {
	return db.configure(ctx, "note the new partitions of stream "+id, func(ctx context.Context, t tx) error {
		s, err := t.stream(ctx, id, "")
		if err != nil || partitions <= s.Partitions {
			return err
		}
		if partitions > maxGrown {
			return problem.New(problem.Invalid, "topic %s has %d partitions now, and a stream has at most %d", s.Topic.Name, partitions, maxGrown)
		}
		if _, err := t.exec(ctx, `UPDATE stream SET partitions = $1 WHERE id = $2`, partitions, id); err != nil {
			return err
		}
		// Locked before they are read: a plan moves them too.
		if _, err := t.exec(ctx, `UPDATE exporter SET start_at = start_at WHERE stream_id = $1`, id); err != nil {
			return err
		}
		exporters, err := list(ctx, t, scanExporter, selectExporter+` WHERE e.stream_id = $1`, id)
		if err != nil {
			return err
		}
		for _, e := range exporters {
			_, err := t.exec(ctx, `UPDATE exporter SET start_at = $1, next_at = $2 WHERE id = $3`,
				encodePosition(grown(e.Start, partitions)), encodePosition(grown(e.Next, partitions)), e.ID)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// grown is p with the beginning of the partitions that it lacks.
func grown(p stream.Position, partitions int) stream.Position {
	return append(p.Clone(), make(stream.Position, max(0, partitions-len(p)))...)
}
