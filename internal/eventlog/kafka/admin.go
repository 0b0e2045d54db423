package kafka

import (
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/problem"
	"strm/internal/stream"
)

// defaultBatch is how many bytes a batch may have where the topic does not say: Kafka's default.
const defaultBatch = 1_000_012

// adminTimeout is how long making and removing topics may take until all brokers know.
const adminTimeout = 15 * time.Second

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// newsWithin is how long brokers may take to hear of a topic that another has made. Until
// then they answer that there is none. Options.news is this, but where a test has one broker.
const newsWithin = 2 * time.Second

// detail asks the cluster for a topic. The error is the cluster's own if there is none,
// which is believed when it has been said for Options.news.
func (l *Log) detail(ctx context.Context, name string) (kadm.TopicDetail, error) {
	began := time.Now()
	for {
		d, err := l.ask(ctx, name)
		if !isUnknownTopic(err) || time.Since(began) >= l.opts.news || pause(ctx, 50*time.Millisecond) != nil {
			return d, err
		}
	}
}

// ask asks a broker for a topic; what the client has in memory may be seconds old.
func (l *Log) ask(ctx context.Context, name string) (kadm.TopicDetail, error) {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &name
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, l.client)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	for _, t := range resp.Topics {
		if t.Topic == nil || *t.Topic != name {
			continue
		}
		d := kadm.TopicDetail{Topic: name, ID: t.TopicID, IsInternal: t.IsInternal, Partitions: kadm.PartitionDetails{}, Err: kerr.ErrorForCode(t.ErrorCode)}
		for _, p := range t.Partitions {
			d.Partitions[p.Partition] = kadm.PartitionDetail{Topic: name, Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR}
		}
		return d, d.Err
	}
	return kadm.TopicDetail{}, kerr.UnknownTopicOrPartition
}

// look learns what the log needs to know of a topic.
func (l *Log) look(ctx context.Context, streamID string, desc stream.Topic) (*topic, error) {
	st := &topic{streamID: streamID, desc: desc}
	d, err := l.detail(ctx, desc.Name)
	if isUnknownTopic(err) {
		return nil, errDeleted(st)
	}
	if err != nil {
		return nil, l.fault(ctx, st, "look at", err)
	}
	st.id = d.ID
	if d.ID != ([16]byte{}) { // brokers before 2.8 have none
		st.desc.ID = hex.EncodeToString(d.ID[:])
	}
	st.parts = make([]*partition, len(d.Partitions))
	for i := range st.parts {
		st.parts[i] = &partition{num: int32(i)}
		st.parts[i].leader.Store(-1)
		if p, ok := d.Partitions[int32(i)]; ok {
			st.parts[i].leader.Store(p.Leader)
		}
	}
	largest := int32(defaultBatch)
	if config, err := l.config(ctx, desc.Name); err == nil { // it may not be ours to see
		if n, err := strconv.Atoi(config["max.message.bytes"]); err == nil && n >= 512 {
			largest = int32(min(n, 64<<20))
		}
	}
	l.largest.Store(desc.Name, largest)
	return st, nil
}

// config returns the settings of a topic that is there. The broker that is asked may not
// have heard of it yet.
func (l *Log) config(ctx context.Context, name string) (map[string]string, error) {
	out := map[string]string{}
	err := l.patiently(ctx, func() error {
		rs, err := l.adm.DescribeTopicConfigs(ctx, name)
		if err != nil {
			return err
		}
		for _, r := range rs {
			if r.Err != nil {
				return r.Err
			}
			for _, c := range r.Configs {
				out[c.Key] = c.MaybeValue()
			}
		}
		return nil
	})
	return out, err
}

// Create implements eventlog.Log: it makes a topic whose name is Prefix and the stream's id.
func (l *Log) Create(ctx context.Context, streamID string, partitions int) error {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	st, err := l.stream(ctx, streamID)
	switch {
	case err == nil && l.there(ctx, st):
		return nil
	case err != nil && problem.KindOf(err) != problem.NotFound && problem.KindOf(err) != problem.Conflict:
		return l.ended(ctx, err)
	}
	t := stream.Topic{Name: l.opts.Prefix + streamID, Values: stream.ValuesJSON}
	if err := l.makeTopic(ctx, t.Name, partitions); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return l.ended(ctx, classify("make topic "+t.Name, err))
	}
	// Nobody else makes a topic of that name: one that is there is this stream's.
	_, err = l.settled(ctx, streamID, t)
	return l.ended(ctx, err)
}

// there reports whether a bound topic is still that which was bound.
func (l *Log) there(ctx context.Context, st *topic) bool {
	d, err := l.detail(ctx, st.desc.Name)
	if err == nil && d.ID == st.id {
		return true
	}
	l.forget(st)
	return false
}

// Make implements eventlog.Topics. Nothing tells a topic that was made before from one of
// others: if the answer to a making was lost, making it again is a Conflict.
func (l *Log) Make(ctx context.Context, streamID string, t stream.Topic, partitions int) (stream.Topic, int, error) {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return stream.Topic{}, 0, err
	}
	defer leave()
	l.mu.RLock()
	st := l.streams[streamID]
	l.mu.RUnlock()
	if st != nil && st.desc.Name == t.Name && l.there(ctx, st) {
		return st.desc, len(st.parts), nil
	}
	if t.Values == "" {
		t.Values = stream.ValuesJSON
	}
	if t.Adopted {
		return l.adopt(ctx, streamID, t, partitions)
	}
	if t.Name == "" {
		t.Name = l.opts.Prefix + streamID
	}
	if !topicName.MatchString(t.Name) || t.Name == "." || t.Name == ".." {
		return stream.Topic{}, 0, problem.New(problem.Invalid, "kafka: %q is no name for a topic: letters, digits, '.', '_', '-', at most 249", t.Name)
	}
	if err := l.makeTopic(ctx, t.Name, partitions); errors.Is(err, kerr.TopicAlreadyExists) {
		return stream.Topic{}, 0, problem.New(problem.Conflict, "kafka: a topic %s is there already; choose another name, or adopt it with --topic", t.Name)
	} else if err != nil {
		return stream.Topic{}, 0, l.ended(ctx, classify("make topic "+t.Name, err))
	}
	st, err = l.settled(ctx, streamID, t)
	if err != nil {
		return stream.Topic{}, 0, l.ended(ctx, err)
	}
	return st.desc, len(st.parts), nil
}

// makeTopic makes a topic that keeps everything.
func (l *Log) makeTopic(ctx context.Context, name string, partitions int) error {
	brokers, err := l.adm.ListBrokers(ctx)
	if err != nil {
		return err
	}
	replication := l.opts.Replication
	if replication == 0 {
		replication = max(1, min(3, len(brokers)))
	}
	if partitions == 0 {
		partitions = l.opts.Partitions
	}
	if partitions == 0 {
		partitions = -1
	}
	set := func(s string) *string { return &s }
	config := map[string]*string{
		"cleanup.policy":         set("delete"),
		"retention.ms":           set("-1"),
		"retention.bytes":        set("-1"),
		"message.timestamp.type": set("CreateTime"),
		"max.message.bytes":      set(strconv.Itoa(l.opts.MaxEventLen + 1<<16)),
		"min.insync.replicas":    set("1"),
	}
	if replication >= 3 {
		config["min.insync.replicas"] = set("2")
	}
	r, err := l.adm.CreateTopic(ctx, int32(partitions), int16(replication), config, name)
	if err == nil {
		err = r.Err
	}
	if err != nil && r.ErrMessage != "" && !errors.Is(err, kerr.TopicAlreadyExists) {
		return problem.New(kindOfRefusal(err), "kafka: make topic %s: %s: %w", name, r.ErrMessage, err)
	}
	return err
}

func kindOfRefusal(err error) problem.Kind {
	switch {
	case errors.Is(err, kerr.InvalidReplicationFactor), errors.Is(err, kerr.InvalidPartitions), errors.Is(err, kerr.InvalidTopicException),
		errors.Is(err, kerr.InvalidConfig), errors.Is(err, kerr.PolicyViolation):
		return problem.Invalid
	}
	return problem.Unavailable
}

// settled waits until all partitions of a topic have leaders, and binds it.
func (l *Log) settled(ctx context.Context, streamID string, t stream.Topic) (*topic, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	for {
		st, err := l.look(ctx, streamID, t)
		if err == nil {
			led := len(st.parts) > 0
			for _, p := range st.parts {
				led = led && p.leader.Load() >= 0
			}
			if led {
				l.mu.Lock()
				l.streams[streamID], l.ids[streamID] = st, st.id
				l.mu.Unlock()
				return st, nil
			}
			err = problem.New(problem.Unavailable, "kafka: topic %s has no leaders yet", t.Name)
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// adopt binds a topic of others.
func (l *Log) adopt(ctx context.Context, streamID string, t stream.Topic, partitions int) (stream.Topic, int, error) {
	d, err := l.detail(ctx, t.Name)
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
		return stream.Topic{}, 0, problem.New(problem.NotFound, "kafka: there is no topic %s", t.Name)
	case err != nil:
		return stream.Topic{}, 0, l.ended(ctx, classify("look at topic "+t.Name, err))
	case d.IsInternal || strings.HasPrefix(t.Name, "__"):
		return stream.Topic{}, 0, problem.New(problem.Invalid, "kafka: topic %s is Kafka's own", t.Name)
	case partitions != 0 && partitions != len(d.Partitions):
		return stream.Topic{}, 0, problem.New(problem.Invalid, "kafka: topic %s has %d partitions, not %d; leave the number out", t.Name, len(d.Partitions), partitions)
	}
	config, err := l.config(ctx, t.Name)
	if err != nil && !denied(err) {
		return stream.Topic{}, 0, l.ended(ctx, classify("look at topic "+t.Name, err))
	}
	if strings.Contains(config["cleanup.policy"], "compact") {
		return stream.Topic{}, 0, problem.New(problem.Invalid, "kafka: topic %s is compacted by key (cleanup.policy=%s): events vanish from it, so it cannot be exported exactly", t.Name, config["cleanup.policy"])
	}
	st, err := l.bind(ctx, streamID, t, 0)
	if err != nil {
		return stream.Topic{}, 0, l.ended(ctx, err)
	}
	return st.desc, len(st.parts), nil
}

// Drop implements eventlog.Log. It removes the topic, unless it was adopted: such a one is
// only let go. It needs to be known whose topic it is: Drop comes before the catalog forgets.
func (l *Log) Drop(ctx context.Context, streamID string) error {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	desc, err := l.described(ctx, streamID)
	if err != nil {
		return l.ended(ctx, err)
	}
	if err := l.dropNames(ctx, streamID); err != nil {
		return l.ended(ctx, err)
	}
	if !desc.Adopted {
		if err := l.remove(ctx, desc.Name); err != nil {
			return l.ended(ctx, classify("delete topic "+desc.Name, err))
		}
	}
	l.mu.Lock()
	delete(l.streams, streamID)
	delete(l.ids, streamID)
	l.mu.Unlock()
	return nil
}

// described says which topic a stream has, whether that is there or not.
func (l *Log) described(ctx context.Context, streamID string) (stream.Topic, error) {
	l.mu.RLock()
	st := l.streams[streamID]
	l.mu.RUnlock()
	if st != nil {
		return st.desc, nil
	}
	if l.opts.Topics != nil {
		s, err := l.opts.Topics.TopicStream(ctx, streamID)
		if err == nil || problem.KindOf(err) != problem.NotFound {
			return s.Topic, err
		}
	}
	return stream.Topic{Name: l.opts.Prefix + streamID}, nil // as Create would have called it
}

// remove deletes a topic and waits until the cluster has forgotten it.
func (l *Log) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	r, err := l.adm.DeleteTopic(ctx, name)
	if err == nil {
		err = r.Err
	}
	if err != nil && !isUnknownTopic(err) {
		return err
	}
	for err == nil {
		_, gone := l.detail(ctx, name)
		if isUnknownTopic(gone) {
			break
		}
		err = pause(ctx, 20*time.Millisecond)
	}
	l.client.PurgeTopicsFromClient(name)
	l.largest.Delete(name)
	if isUnknownTopic(err) {
		return nil
	}
	return err
}

// Trim implements eventlog.Log: it asks the brokers to delete records. Topics of others
// are never trimmed.
func (l *Log) Trim(ctx context.Context, streamID string, p stream.Partition, before stream.Offset) error {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	st, part, err := l.placed(ctx, streamID, p, l.stream)
	if err != nil || st.desc.Adopted {
		return l.ended(ctx, err)
	}
	if before, err = l.holdBack(ctx, streamID, p, before); err != nil {
		return l.ended(ctx, err)
	}
	end, err := l.stableEnd(ctx, st, part)
	if err != nil {
		return err
	}
	at := min(int64(before-st.base(p)), end) // never what is not committed yet
	start, err := l.offsetAt(ctx, st, part, atStart)
	if err != nil || at <= start.offset {
		return err
	}
	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: st.desc.Name, Partition: part.num, At: at})
	defer st.starts.forget()
	rs, err := l.adm.DeleteRecords(ctx, os)
	if err == nil {
		err = rs.Error()
	}
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange): // somebody else was further
		return nil
	case err != nil:
		return l.fault(ctx, st, "delete records of", err)
	}
	return nil
}

// Commit implements eventlog.Topics.
func (l *Log) Commit(ctx context.Context, streamID, group string, p stream.Position) error {
	ctx, leave, err := l.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	st, err := l.stream(ctx, streamID)
	if err != nil {
		return l.ended(ctx, err)
	}
	var os kadm.Offsets
	for i, at := range p {
		if i < len(st.parts) && at >= st.base(stream.Partition(i)) {
			os.Add(kadm.Offset{Topic: st.desc.Name, Partition: int32(i), At: int64(at - st.base(stream.Partition(i))), LeaderEpoch: -1})
		}
	}
	if err := l.adm.CommitAllOffsets(ctx, group, os); err != nil {
		return l.fault(ctx, st, "commit to group "+group+" of", err)
	}
	return nil
}
