package catalogtest

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"strm/internal/problem"
	"strm/internal/stream"
)

func testTopics(t *testing.T, b *bench) {
	ctx := t.Context()
	own := stream.Stream{ID: "id-own", Name: "own", Partitions: 2, CreatedAt: noon,
		Topic: stream.Topic{Name: "strm.own", ID: "5f1c", Values: stream.ValuesJSON, Base: stream.Position{7, 0}}}
	theirs := stream.Stream{ID: "id-theirs", Name: "theirs", Partitions: 1, CreatedAt: noon,
		Topic: stream.Topic{Name: "orders", Adopted: true, Values: stream.ValuesRegistry, Invalid: stream.InvalidDrop}}
	for _, s := range []stream.Stream{own, theirs} {
		ok(t, b.db.CreateStream(ctx, s))
	}
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-plain", Name: "plain", Partitions: 1}))
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-plain2", Name: "plain2", Partitions: 1})) // no topic is no name
	b.reopen()
	for _, s := range []stream.Stream{own, theirs} {
		if got := must(b.db.Stream(ctx, s.Name))(t); !reflect.DeepEqual(got, s) {
			t.Fatalf("got %+v, want %+v", got, s)
		}
		if got := must(b.db.TopicStream(ctx, s.ID))(t); !reflect.DeepEqual(got, s) {
			t.Fatalf("stream %+v, want %+v", got, s)
		}
	}
	_, err := b.db.TopicStream(ctx, "id-plain")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.TopicStream(ctx, "nobody")
	wantKind(t, err, problem.NotFound)
	if ids := topicIDs(t, b); !slices.Equal(ids, []string{"id-own", "id-theirs"}) {
		t.Fatalf("ids %v", ids)
	}

	theirs.Topic.Invalid = stream.InvalidBlock
	ok(t, b.db.UpdateStream(ctx, theirs))
	if got := must(b.db.TopicStream(ctx, theirs.ID))(t).Topic; got.Invalid != stream.InvalidBlock {
		t.Fatalf("invalid %q", got.Invalid)
	}
	for _, change := range []func(*stream.Topic){
		func(t *stream.Topic) { t.Name = "other" },
		func(t *stream.Topic) { t.Adopted = false },
		func(t *stream.Topic) { t.Values = stream.ValuesJSON },
	} {
		s := theirs
		change(&s.Topic)
		wantKind(t, b.db.UpdateStream(ctx, s), problem.Invalid)
	}

	again := stream.Stream{ID: "id-again", Name: "again", Partitions: 1, Topic: stream.Topic{Name: "orders", Adopted: true}}
	err = b.db.CreateStream(ctx, again)
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "belongs to stream theirs already") {
		t.Fatalf("message %q", err)
	}
	// A deleted stream keeps its topic until its log is dropped.
	_, _, err = b.db.DeleteStream(ctx, "theirs", false)
	ok(t, err)
	if got := must(b.db.TopicStream(ctx, theirs.ID))(t).Topic; got.Name != "orders" || !got.Adopted {
		t.Fatalf("topic of a deleted stream %+v", got)
	}
	err = b.db.CreateStream(ctx, again)
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "not finished") {
		t.Fatalf("message %q", err)
	}
	ok(t, b.db.ForgetStream(ctx, theirs.ID))
	_, err = b.db.TopicStream(ctx, theirs.ID)
	wantKind(t, err, problem.NotFound)
	if ids := topicIDs(t, b); !slices.Equal(ids, []string{"id-own"}) {
		t.Fatalf("ids %v", ids)
	}
	ok(t, b.db.CreateStream(ctx, again))

	for _, topic := range []stream.Topic{
		{Adopted: true},
		{Values: stream.ValuesJSON},
		{Name: "x", Base: stream.Position{1, 2}},
		{Name: "x", Base: stream.Position{-1}},
	} {
		wantKind(t, b.db.CreateStream(ctx, stream.Stream{ID: "x", Name: "x", Partitions: 1, Topic: topic}), problem.Invalid)
	}
}

func topicIDs(t *testing.T, b *bench) (ids []string) {
	for _, s := range must(b.db.TopicStreams(t.Context()))(t) {
		ids = append(ids, s.ID)
	}
	return ids
}

// A topic that others gave more partitions: its exporters begin in them at the beginning,
// and go on where they were in the others.
func testTopicGrows(t *testing.T, b *bench) {
	ctx := t.Context()
	ok(t, b.db.CreateStream(ctx, stream.Stream{ID: "id-s", Name: "s", Partitions: 2, CreatedAt: noon, Topic: stream.Topic{Name: "orders", Adopted: true}}))
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: "k", Type: stream.SinkS3, Bucket: "bucket-k", UpdatedAt: noon})
	ok(t, err)
	ok(t, b.db.CreateExporter(ctx, stream.Exporter{ID: "e", Name: "e", Stream: "s", Sink: "k", Start: stream.Position{3, 4}}))
	before := must(b.db.Exporter(ctx, "e"))(t)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(before, 1, stream.Range{Partition: 1, Start: 4, End: 9})}, stream.Position{3, 9}))
	for range 2 { // the second node that notices changes nothing
		ok(t, b.db.GrowStream(ctx, "id-s", 4))
	}
	ok(t, b.db.GrowStream(ctx, "id-s", 3))
	if s := must(b.db.Stream(ctx, "s"))(t); s.Partitions != 4 {
		t.Fatalf("%d partitions", s.Partitions)
	}
	e := must(b.db.Exporter(ctx, "e"))(t)
	if !slices.Equal(e.Start, stream.Position{3, 4, 0, 0}) || !slices.Equal(e.Next, stream.Position{3, 9, 0, 0}) || e.LastSeq != 1 {
		t.Fatalf("start %v, next %v, batch %d", e.Start, e.Next, e.LastSeq)
	}
	// Who has not heard of it plans nothing that would forget the new ones.
	before.LastSeq, before.Next = 1, stream.Position{3, 9}
	if err := b.db.Plan(ctx, []stream.Batch{plan(before, 2, stream.Range{Start: 3, End: 5})}, stream.Position{5, 9}); err == nil {
		t.Fatal("a plan with the old number of partitions was taken")
	}
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 2, stream.Range{Partition: 3, Start: 0, End: 5})}, stream.Position{3, 9, 0, 5}))
	if held, _, err := b.db.Held(ctx, "id-s"); err != nil || !slices.Equal(held, stream.Position{3, 4, 0, 0}) {
		t.Fatalf("held %v: %v", held, err)
	}
	wantKind(t, b.db.GrowStream(ctx, "id-s", 257), problem.Invalid)
	wantKind(t, b.db.GrowStream(ctx, "nobody", 3), problem.NotFound)
}
