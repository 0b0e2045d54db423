package embedded

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// damaged reports stored bytes that are not what was written, by place.
func damaged(id string, p stream.Partition, off stream.Offset, cause error) error {
	return problem.New(problem.Corrupt, "stream %s partition %d offset %d: %w: %w", id, p, off, eventlog.ErrCorrupt, cause)
}

// readFault names the place of an error the engine answered to a read. Its own
// checksums are as good a witness of damage as ours.
func readFault(id string, p stream.Partition, off stream.Offset, err error) error {
	if pebble.IsCorruptionError(err) {
		return damaged(id, p, off, err)
	}
	return fmt.Errorf("read stream %s partition %d offset %d: %w", id, p, off, err)
}

func noStream(id string) error {
	return problem.New(problem.NotFound, "stream %s: %w", id, eventlog.ErrNoStream)
}

func trimmed(id string, p stream.Partition, off, floor stream.Offset) error {
	return problem.New(problem.Conflict, "stream %s partition %d offset %d is below the floor %d: %w", id, p, off, floor, eventlog.ErrTrimmed)
}

var errClosed = problem.New(problem.Unavailable, "event log: %w", eventlog.ErrClosed)

func readAges(err error) error {
	if pebble.IsCorruptionError(err) {
		return problem.New(problem.Corrupt, "read ages of idempotency keys: %w: %w", eventlog.ErrCorrupt, err)
	}
	return fmt.Errorf("read ages of idempotency keys: %w", err)
}
