package control

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// NewTopic says which topic a new stream has. The zero value is one of its own,
// which has the stream's name, or none where the log is not Kafka.
type NewTopic struct {
	Adopt   string         // the topic to adopt; it must be there
	Values  stream.Values  // "" means ValuesJSON; ValuesRegistry for adopted topics only
	Invalid stream.Invalid // "" means InvalidBlock
}

// maxTopicName is Kafka's.
const maxTopicName = 249

// topicOf fills in what a new stream has of a topic.
func (c *Control) topicOf(n NewStream, s *stream.Stream) error {
	t := n.Topic
	if c.topics == nil {
		if t != (NewTopic{}) {
			return problem.New(problem.Invalid, "this server keeps events in a log of its own: topic, values and invalid are for streams on Kafka topics (strm serve --log kafka://BROKER,...)")
		}
		return nil
	}
	s.Topic = stream.Topic{Name: s.Name, Values: stream.ValuesJSON, Invalid: stream.InvalidBlock}
	if t.Values != "" {
		s.Topic.Values = t.Values
	}
	if t.Invalid != "" {
		s.Topic.Invalid = t.Invalid
	}
	if t.Adopt == "" {
		if s.Topic.Values != stream.ValuesJSON {
			return problem.New(problem.Invalid, "values: strm writes JSON into the topics that it makes; %s is for a topic that others write (--topic)", s.Topic.Values)
		}
		return nil
	}
	if err := checkTopicName(t.Adopt); err != nil {
		return err
	}
	s.Topic.Name, s.Topic.Adopted = t.Adopt, true
	s.Retention = stream.Retention{}
	s.StrmMeta = n.StrmMeta != nil && *n.StrmMeta
	return nil
}

// checkTopicName holds a name to Kafka's rules.
func checkTopicName(name string) error {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	if name == "." || name == ".." || len(name) > maxTopicName || strings.ContainsFunc(name, odd) {
		return problem.New(problem.Invalid, "topic %q: names of topics have at most %d letters, digits, dots, dashes and underscores", name, maxTopicName)
	}
	return nil
}

// checkTopicSettings refuses what a stream on a topic cannot have.
func checkTopicSettings(s stream.Stream) error {
	t := s.Topic
	if t.Name == "" {
		return nil
	}
	switch t.Values {
	case stream.ValuesJSON, stream.ValuesRegistry:
	default:
		return problem.New(problem.Invalid, "values: %q is none of %s, %s", t.Values, stream.ValuesJSON, stream.ValuesRegistry)
	}
	switch t.Invalid {
	case stream.InvalidBlock, stream.InvalidDrop:
	default:
		return problem.New(problem.Invalid, "invalid: %q is none of %s, %s", t.Invalid, stream.InvalidBlock, stream.InvalidDrop)
	}
	if t.Adopted && s.Retention != (stream.Retention{}) {
		return problem.New(problem.Invalid, "retention: topic %s is adopted, and strm removes nothing from it; set retention.ms or retention.bytes of the topic", t.Name)
	}
	if s.Retention.MaxBytes > 0 {
		return problem.New(problem.Invalid, "retention: strm cannot measure the bytes of a Kafka topic; set retention.bytes of topic %s, and mind that Kafka then removes what is not delivered yet too", t.Name)
	}
	if s.StrmMeta && t.Values == stream.ValuesRegistry {
		return problem.New(problem.Invalid, "strmMeta: nothing is sent to stream %s through strm, so nothing gets a strmMeta object", s.Name)
	}
	return nil
}

// ownValues says why nobody sends events to the stream through strm, if so.
func ownValues(s stream.Stream) string {
	if s.Topic.Values != stream.ValuesRegistry {
		return ""
	}
	return fmt.Sprintf("has its events from the writers of topic %s: their values have the ids of a schema registry, which strm reads, but does not write", s.Topic.Name)
}

// makeTopic makes the topic of a new stream, or looks at the one to adopt, and
// fills in its name and partitions.
func (c *Control) makeTopic(ctx context.Context, s *stream.Stream) error {
	streams, err := c.catalog.Streams(ctx)
	if err != nil {
		return err
	}
	for _, o := range streams {
		if o.Topic.Name == s.Topic.Name {
			return problem.New(problem.Conflict, "topic %s belongs to stream %q already: a topic is one stream's", o.Topic.Name, o.Name)
		}
	}
	asked := s.Partitions
	t, partitions, err := c.topics.Make(ctx, s.ID, s.Topic, asked)
	switch {
	case err == nil:
	case problem.KindOf(err) == problem.Conflict && !s.Topic.Adopted:
		return problem.New(problem.Conflict, "%w; adopt it (strm create stream NAME --topic %s), or give the stream another name", err, s.Topic.Name)
	default:
		return err
	}
	s.Topic, s.Partitions = t, partitions
	switch {
	case asked > 0 && partitions != asked:
		err = problem.New(problem.Invalid, "partitions: topic %s has %d, not %d; leave them out to take what it has", t.Name, partitions, asked)
	case partitions > MaxPartitions:
		err = problem.New(problem.Invalid, "topic %s has %d partitions, and a stream has at most %d", t.Name, partitions, MaxPartitions)
	default:
		return nil
	}
	return errors.Join(err, c.dropLog(ctx, s.ID))
}
