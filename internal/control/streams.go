package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Limits of a stream's settings.
const (
	MaxPartitions    = 256
	MaxDescription   = 1000 // bytes
	MaxTags          = 50
	MaxTag           = 100 // bytes
	DefaultRetention = 7 * 24 * time.Hour
)

// NewStream says what stream to create.
type NewStream struct {
	Name        string
	Partitions  int   // 0 means 1, or what the topic has
	StrmMeta    *bool // nil means true, but for an adopted topic
	Description string
	Tags        []string
	Retention   *stream.Retention // nil means DefaultRetention by age, unbounded by size; none for an adopted topic
	Topic       NewTopic
}

// StreamChange says what to change; nil fields stay.
type StreamChange struct {
	StrmMeta    *bool
	Description *string
	Tags        []string
	Retention   *stream.Retention
	Invalid     *stream.Invalid // of a stream on a topic
}

// CreateStream creates a stream. Errors: Invalid, Conflict if the name or the
// topic is taken, NotFound for a topic to adopt.
//
// The log's partitions come first, then the row in the catalog that makes the
// stream exist. Stopped between the two, the log holds an empty stream under
// an id that nobody knows; FinishDeletions drops it at the next start. Over Kafka
// an empty topic is left, which has the stream's name: creating the stream
// again is refused with a word on how to go on. An adopted topic is as it was.
func (c *Control) CreateStream(ctx context.Context, n NewStream) (stream.Stream, error) {
	s := stream.Stream{
		ID:          newID(8),
		Name:        n.Name,
		Partitions:  n.Partitions,
		StrmMeta:    n.StrmMeta == nil || *n.StrmMeta,
		Description: n.Description,
		Tags:        n.Tags,
		Retention:   stream.Retention{MaxAge: DefaultRetention},
		CreatedAt:   now(),
	}
	if err := stream.CheckName("stream", s.Name); err != nil {
		return stream.Stream{}, err
	}
	if err := c.topicOf(n, &s); err != nil {
		return stream.Stream{}, err
	}
	if s.Partitions == 0 && c.topics == nil {
		s.Partitions = 1
	}
	if n.Retention != nil {
		s.Retention = *n.Retention
	}
	if s.Partitions < 0 || s.Partitions > MaxPartitions {
		return stream.Stream{}, problem.New(problem.Invalid, "partitions: %d is not between 1 and %d", s.Partitions, MaxPartitions)
	}
	if err := checkStreamSettings(s); err != nil {
		return stream.Stream{}, err
	}

	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Stream{}, err
	}
	defer unlock()
	switch _, err := c.catalog.Stream(ctx, s.Name); {
	case err == nil:
		return stream.Stream{}, problem.New(problem.Conflict, "stream %q exists already", s.Name)
	case problem.KindOf(err) != problem.NotFound:
		return stream.Stream{}, err
	}
	if err := c.makeLog(ctx, &s); err != nil {
		return stream.Stream{}, err
	}
	if err := c.catalog.CreateStream(ctx, s); err != nil {
		return c.createdAfterAll(ctx, s, err)
	}
	c.keys.invalidate()
	return s, nil
}

// makeLog makes the partitions of a new stream, or its topic.
func (c *Control) makeLog(ctx context.Context, s *stream.Stream) error {
	var err error
	if c.topics != nil {
		err = c.makeTopic(ctx, s)
	} else {
		err = c.log.Create(ctx, s.ID, s.Partitions)
	}
	if err == nil {
		return nil
	}
	err = classify(err)
	if c.topics != nil && !mayHaveHappened(err) {
		return err
	}
	// It may have been made and the answer lost; then it is such an empty
	// stream as above, unless the drop takes it away.
	return errors.Join(err, c.dropLog(ctx, s.ID))
}

// createdAfterAll settles a failed insert, which may have happened. The log of
// a stream that exists must not be dropped, so only a clear "no" drops it.
func (c *Control) createdAfterAll(ctx context.Context, s stream.Stream, cause error) (stream.Stream, error) {
	c.keys.invalidate()
	done, cancel := c.finishing(ctx)
	defer cancel()
	switch got, err := c.catalog.Stream(done, s.Name); {
	case err == nil && got.ID == s.ID:
		return got, nil
	case err == nil || isNotFound(err):
		return stream.Stream{}, errors.Join(cause, c.dropLog(ctx, s.ID))
	}
	return stream.Stream{}, cause
}

func (c *Control) dropLog(ctx context.Context, id string) error {
	done, cancel := c.finishing(ctx)
	defer cancel()
	return c.log.Drop(done, id)
}

// Streams returns all streams, by name.
func (c *Control) Streams(ctx context.Context) ([]stream.Stream, error) {
	return c.catalog.Streams(ctx)
}

// Stream returns a stream and the bounds of its partitions. If the log cannot tell these,
// the stream is returned with the error.
func (c *Control) Stream(ctx context.Context, name string) (stream.Stream, []eventlog.Bound, error) {
	s, err := c.catalog.Stream(ctx, name)
	if err != nil {
		return stream.Stream{}, nil, err
	}
	bounds, err := c.log.Bounds(ctx, s.ID)
	if err != nil {
		return s, nil, classify(err)
	}
	return s, bounds, nil
}

// UpdateStream changes a stream's settings: one write, so there is nothing in between.
func (c *Control) UpdateStream(ctx context.Context, name string, ch StreamChange) (stream.Stream, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Stream{}, err
	}
	defer unlock()
	s, err := c.catalog.Stream(ctx, name)
	if err != nil {
		return stream.Stream{}, err
	}
	if ch.StrmMeta != nil {
		s.StrmMeta = *ch.StrmMeta
	}
	if s.StrmMeta {
		src, ok, err := c.segmentSource(ctx, s.ID)
		if err != nil {
			return stream.Stream{}, err
		}
		if ok {
			return stream.Stream{}, problem.New(problem.Conflict, "stream %q belongs to the source %q of kind %s: strmMeta has no place in a raw log", s.Name, src.Name, src.Kind)
		}
		importers, err := c.catalog.ImportersOfStream(ctx, s.ID)
		if err != nil {
			return stream.Stream{}, err
		}
		if len(importers) > 0 {
			return stream.Stream{}, problem.New(problem.Conflict, "stream %q takes the events of the batch importer %q, which have no strmMeta", s.Name, importers[0].Name)
		}
	}
	if ch.Description != nil {
		s.Description = *ch.Description
	}
	if ch.Tags != nil {
		s.Tags = ch.Tags
	}
	if ch.Retention != nil {
		s.Retention = *ch.Retention
	}
	if ch.Invalid != nil {
		if s.Topic.Name == "" {
			return stream.Stream{}, problem.New(problem.Invalid, "stream %q is in the server's own log, where every event is valid; invalid is for streams on Kafka topics", s.Name)
		}
		s.Topic.Invalid = *ch.Invalid
	}
	if err := checkStreamSettings(s); err != nil {
		return stream.Stream{}, err
	}
	// Intake keeps the stream's settings with its write keys. Even a failed
	// write may have happened, so forget them either way.
	defer c.keys.invalidate()
	if err := c.catalog.UpdateStream(ctx, s); err != nil {
		return stream.Stream{}, err
	}
	return s, nil
}

// DeleteStream deletes a stream, its sources and all its events, delivered or
// not; an adopted topic stays with its events. With exporters or importers on it, only recursively (else Conflict); they
// go with it.
//
// Steps: the catalog forgets the name but remembers the id; the runner lets go
// of the removed exporters; the log drops the events; the catalog forgets the
// id. Stopped anywhere after the first, the id is still remembered and
// FinishDeletions does the rest. A batch being written meanwhile can no longer
// be saved as done, and its exporter is gone; its object may stay in the bucket.
func (c *Control) DeleteStream(ctx context.Context, name string, recursive bool) (stream.Stream, error) {
	s, exporters, err := c.deleteStreamRow(ctx, name, recursive)
	if err != nil {
		return stream.Stream{}, err
	}
	if err := c.finishDeletion(ctx, s.ID, exporters); err != nil {
		return s, problem.New(problem.Internal, "stream %q is deleted, but its events are not yet; the next start of the server finishes that: %w", name, err)
	}
	return s, nil
}

func (c *Control) deleteStreamRow(ctx context.Context, name string, recursive bool) (stream.Stream, []stream.Exporter, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Stream{}, nil, err
	}
	defer unlock()
	before, err := c.catalog.Stream(ctx, name)
	if err != nil {
		return stream.Stream{}, nil, err
	}
	linked, err := c.catalog.ExportersOfStream(ctx, before.ID)
	if err != nil {
		return stream.Stream{}, nil, err
	}
	defer c.keys.invalidate() // a failed write may have happened
	defer c.wakeImporters()
	s, exporters, err := c.catalog.DeleteStream(ctx, name, recursive)
	if err == nil || !mayHaveHappened(err) {
		return s, exporters, err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if _, gone := c.catalog.Stream(done, name); isNotFound(gone) {
		return before, linked, nil
	}
	return stream.Stream{}, nil, err
}

// FinishDeletions finishes what was stopped half-way: the deletions of streams,
// and creations that left a log without a row. The server calls it at its start,
// before the runner runs.
//
// A creation stopped half-way leaves an empty log. One that holds events, or
// cannot be read, must come from elsewhere, such as a catalog restored from a
// backup older than the stream: it is not ours to drop, so it is kept and its
// id returned, for somebody to look at.
//
// Over Kafka nobody looks for such logs: which topic is whose, the catalog alone
// says, and a topic that no stream has may be anybody's.
func (c *Control) FinishDeletions(ctx context.Context) (strangers []string, err error) {
	ids, err := c.catalog.DroppedStreams(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if err := c.finishDeletion(ctx, id, nil); err != nil {
			return nil, err
		}
	}
	if c.topics != nil {
		return nil, nil
	}
	return c.dropOrphans(ctx)
}

// dropOrphans drops the empty logs that belong to no stream. It keeps creations
// out meanwhile: their logs are there before their rows.
func (c *Control) dropOrphans(ctx context.Context) (strangers []string, err error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	logs, err := c.log.Streams(ctx)
	if err != nil {
		return nil, err
	}
	known, err := c.catalog.Streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range known {
		i := slices.Index(logs, s.ID)
		if i < 0 {
			// Logs are made before their rows and dropped after them.
			return nil, problem.New(problem.Conflict, "the log holds nothing of stream %s (%s): it was lost, or is older than the catalog. "+
				"Put back the one that belongs to it", s.Name, s.ID)
		}
		logs = slices.Delete(logs, i, i+1)
	}
	for _, id := range logs {
		empty, err := c.neverHeld(ctx, id)
		if err != nil {
			return nil, err
		}
		if !empty {
			strangers = append(strangers, id)
			continue
		}
		if err := c.log.Drop(ctx, id); err != nil {
			return nil, err
		}
	}
	slices.Sort(strangers)
	return strangers, nil
}

// neverHeld reports whether a log has never held an event.
func (c *Control) neverHeld(ctx context.Context, id string) (bool, error) {
	bounds, err := c.log.Bounds(ctx, id)
	if err != nil {
		if problem.KindOf(err) == problem.Corrupt {
			return false, nil
		}
		return false, err
	}
	for _, b := range bounds {
		if b.End > 0 {
			return false, nil
		}
	}
	return true, nil
}

func (c *Control) finishDeletion(ctx context.Context, id string, exporters []stream.Exporter) error {
	ctx, cancel := c.finishing(ctx)
	defer cancel()
	for _, e := range exporters {
		if err := c.runner.Reload(ctx, e.ID); err != nil {
			return err
		}
	}
	if err := c.log.Drop(ctx, id); err != nil {
		return err
	}
	return c.catalog.ForgetStream(ctx, id)
}

func checkStreamSettings(s stream.Stream) error {
	if len(s.Description) > MaxDescription || !utf8.ValidString(s.Description) {
		return problem.New(problem.Invalid, "description: at most %d bytes of UTF-8 are allowed", MaxDescription)
	}
	if len(s.Tags) > MaxTags {
		return problem.New(problem.Invalid, "tags: %d given, at most %d are allowed", len(s.Tags), MaxTags)
	}
	for _, t := range s.Tags {
		if t == "" || len(t) > MaxTag || !utf8.ValidString(t) || strings.ContainsFunc(t, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return problem.New(problem.Invalid, "tag %q: use 1 to %d bytes of UTF-8 without control characters", t, MaxTag)
		}
	}
	if s.Retention.MaxAge < 0 || s.Retention.MaxBytes < 0 {
		return problem.New(problem.Invalid, "retention: a bound below zero makes no sense; leave it out for no bound")
	}
	return checkTopicSettings(s)
}

// now returns the time as the catalog keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
