package catalog

import (
	"context"
	"slices"

	"strm/internal/problem"
	"strm/internal/stream"
)

const topicColumns = `topic, topic_adopted, topic_values, topic_invalid, topic_base, topic_id`

// topicFields are where topicColumns are read to; base goes through decodeBase.
func topicFields(t *stream.Topic, base *string) []any {
	return []any{&t.Name, &t.Adopted, &t.Values, &t.Invalid, base, &t.ID}
}

func encodeBase(p stream.Position) string {
	if p == nil {
		return ""
	}
	return encodePosition(p)
}

func decodeBase(text string) (stream.Position, error) {
	if text == "" {
		return nil, nil
	}
	return decodePosition(text)
}

// checkTopic refuses a topic that cannot be the stream's.
func checkTopic(s stream.Stream) error {
	t := s.Topic
	switch {
	case t.Name == "" && (t.Adopted || t.Values != "" || t.Invalid != "" || t.Base != nil):
		return problem.New(problem.Invalid, "the topic of stream %s needs a name", s.Name)
	case t.Base != nil && len(t.Base) != s.Partitions:
		return problem.New(problem.Invalid, "the base of stream %s has %d offsets, but the stream has %d partitions", s.Name, len(t.Base), s.Partitions)
	case slices.ContainsFunc(t.Base, func(o stream.Offset) bool { return o < 0 }):
		return problem.New(problem.Invalid, "the base of stream %s has a negative offset", s.Name)
	}
	return nil
}

// topicFree refuses a topic that a stream has. A deleted one has it until its
// log is dropped: dropping could take the topic away from under its successor.
func (t tx) topicFree(ctx context.Context, topic string) error {
	if topic == "" {
		return nil
	}
	s, ok, err := one(ctx, t, scanStream, selectStream+` WHERE topic = $1 AND NOT log_dropped`, topic)
	if err != nil || !ok {
		return err
	}
	_, live, err := one(ctx, t, scanText, `SELECT id FROM stream WHERE id = $1 AND deleted_at = 0`, s.ID)
	if err != nil {
		return err
	}
	if !live {
		return problem.New(problem.Conflict, "topic %s belongs to stream %s, whose deletion is not finished yet", topic, s.Name)
	}
	return problem.New(problem.Conflict, "topic %s belongs to stream %s already: a topic is one stream's", topic, s.Name)
}

// TopicStream returns the stream with this id, if it has a topic. A deleted stream has
// it until ForgetStream, so that the log can drop it. Kind NotFound if there is no such
// stream, or it has no topic.
func (db *DB) TopicStream(ctx context.Context, id string) (stream.Stream, error) {
	s, ok, err := one(ctx, db.read, scanStream, selectStream+` WHERE id = $1 AND topic <> '' AND NOT log_dropped`, id)
	if err != nil {
		return stream.Stream{}, db.fault(ctx, err, "read the topic of stream "+id)
	}
	if !ok {
		return stream.Stream{}, problem.New(problem.NotFound, "there is no stream with id %s that has a topic", id)
	}
	return s, nil
}

// TopicStreams returns the streams that have a topic, by id, deleted ones until
// ForgetStream included.
func (db *DB) TopicStreams(ctx context.Context) ([]stream.Stream, error) {
	all, err := list(ctx, db.read, scanStream, selectStream+` WHERE topic <> '' AND NOT log_dropped ORDER BY id`)
	if err != nil {
		return nil, db.fault(ctx, err, "list the streams with a topic")
	}
	return all, nil
}
