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
		Topic: stream.Topic{Name: "strm.own", Values: stream.ValuesJSON, Base: stream.Position{7, 0}}}
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
		if got := must(b.db.Topic(ctx, s.ID))(t); !reflect.DeepEqual(got, s.Topic) {
			t.Fatalf("topic %+v, want %+v", got, s.Topic)
		}
	}
	_, err := b.db.Topic(ctx, "id-plain")
	wantKind(t, err, problem.NotFound)
	_, err = b.db.Topic(ctx, "nobody")
	wantKind(t, err, problem.NotFound)
	if ids := must(b.db.TopicIDs(ctx))(t); !slices.Equal(ids, []string{"id-own", "id-theirs"}) {
		t.Fatalf("ids %v", ids)
	}

	theirs.Topic.Invalid = stream.InvalidBlock
	ok(t, b.db.UpdateStream(ctx, theirs))
	if got := must(b.db.Topic(ctx, theirs.ID))(t); got.Invalid != stream.InvalidBlock {
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
	if got := must(b.db.Topic(ctx, theirs.ID))(t); got.Name != "orders" || !got.Adopted {
		t.Fatalf("topic of a deleted stream %+v", got)
	}
	err = b.db.CreateStream(ctx, again)
	wantKind(t, err, problem.Conflict)
	if !strings.Contains(err.Error(), "not finished") {
		t.Fatalf("message %q", err)
	}
	ok(t, b.db.ForgetStream(ctx, theirs.ID))
	_, err = b.db.Topic(ctx, theirs.ID)
	wantKind(t, err, problem.NotFound)
	if ids := must(b.db.TopicIDs(ctx))(t); !slices.Equal(ids, []string{"id-own"}) {
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
