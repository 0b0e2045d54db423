package eventlog

import (
	"context"

	"strm/internal/stream"
)

// Topics is what a log over Kafka does beside Log: a stream is a topic there,
// which has a name, and which others may read and may have made.
type Topics interface {
	// Make makes the topic of a new stream, or, if t.Adopted, looks at the one named,
	// and binds it to the stream's id: from then on Log finds it, also before the
	// catalog knows the stream. It returns the topic as it is, with its name, and its number
	// of partitions (0 asks for the default, or for what an adopted one has). Making it again
	// is no error. Kind Conflict if a topic of that name is there that was to be made,
	// NotFound if one to adopt is not, Invalid if it cannot be one (compacted by key, say).
	Make(ctx context.Context, streamID string, t stream.Topic, partitions int) (stream.Topic, int, error)
	// Commit tells Kafka's own tools how far a consumer group without members, which
	// stands for a batch exporter, has got. It only moves what they show.
	Commit(ctx context.Context, streamID, group string, p stream.Position) error
}
