package controltest

import (
	"context"
	"errors"
	"testing"

	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Broker stands for Kafka: topics that are there, and streams bound to them, over
// the World's log.
type Broker struct {
	Topics map[string]int    // partitions by topic
	Bound  map[string]string // topic by id of a stream
	Made   []stream.Topic    // as Make was asked
	Fail   error             // of Make, before it does anything
	Lost   error             // of Make, after it has

	log eventlog.Log
}

// NewOverKafka is New with a Broker that has the topics "orders", with five
// partitions, and "wide", with more than a stream may have.
func NewOverKafka(t testing.TB) (*World, *Broker) {
	w := New(t)
	b := &Broker{log: w.EventLog, Topics: map[string]int{"orders": 5, "wide": control.MaxPartitions + 1}, Bound: map[string]string{}}
	w.Deps.Topics = b
	w.With(w.Deps.Options)
	return w, b
}

// Make implements eventlog.Topics.
func (b *Broker) Make(ctx context.Context, id string, t stream.Topic, partitions int) (stream.Topic, int, error) {
	b.Made = append(b.Made, t)
	if b.Fail != nil {
		return t, 0, b.Fail
	}
	have, there := b.Topics[t.Name]
	switch {
	case t.Adopted && !there:
		return t, 0, problem.New(problem.NotFound, "there is no topic %s", t.Name)
	case t.Adopted:
		partitions = have
	case there:
		return t, 0, problem.New(problem.Conflict, "topic %s is there already", t.Name)
	case partitions == 0:
		partitions = 3
	}
	if err := b.log.Create(ctx, id, partitions); err != nil {
		return t, 0, err
	}
	b.Topics[t.Name], b.Bound[id] = partitions, t.Name
	return t, partitions, b.Lost
}

// Commit implements eventlog.Topics; control never calls it.
func (b *Broker) Commit(context.Context, string, string, stream.Position) error {
	return errors.New("control commits nothing")
}
