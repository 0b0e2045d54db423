package catalogtest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

func testPlanAndSave(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 2)
	one := plan(e, 1, span(0, 0, 5), span(1, 0, 3))
	// Two objects that divide partition 0.
	two := plan(e, 2, span(0, 5, 6))
	two.Objects = append(two.Objects, stream.Object{Key: "p/second.jsonl", Ranges: []stream.Range{span(0, 6, 9)}, Events: 3, Received: noon})
	ok(t, b.db.Plan(ctx, []stream.Batch{one, two}, stream.Position{9, 3}))
	b.reopen()
	if got := must(b.db.Unfinished(ctx, e.ID))(t); !reflect.DeepEqual(got, []stream.Batch{one, two}) {
		t.Fatalf("unfinished\n%+v, want\n%+v", got, []stream.Batch{one, two})
	}
	if got := must(b.db.Exporter(ctx, e.ID))(t); got.LastSeq != 2 || !slices.Equal(got.Next, stream.Position{9, 3}) {
		t.Fatalf("exporter %+v", got)
	}
	ok(t, attempt(ctx, b.db, &two))
	two.Problem, two.Blocked, two.NextRetryAt = "access denied", true, noon.Add(time.Minute)
	two.Objects[1].MaybeStored = false // the store refused it
	ok(t, b.db.Save(ctx, &two))
	b.reopen()
	if got := must(b.db.Batch(ctx, two.ID))(t); !reflect.DeepEqual(got, two) {
		t.Fatalf("batch\n%+v, want\n%+v", got, two)
	}
	two.Problem, two.Blocked, two.NextRetryAt = "", false, time.Time{}
	ok(t, finish(ctx, b.db, &two))
	b.reopen()
	if got := must(b.db.Batch(ctx, two.ID))(t); !reflect.DeepEqual(got, two) {
		t.Fatalf("batch\n%+v, want\n%+v", got, two)
	}
	want := catalog.Totals{Batches: 1, Events: 4, Bytes: 40, LastDoneAt: two.DoneAt, UnfinishedBatches: 1}
	if got := must(b.db.Totals(ctx, e.ID))(t); got != want {
		t.Fatalf("totals %+v, want %+v", got, want)
	}
	_, err := b.db.Totals(ctx, "nope")
	wantKind(t, err, problem.NotFound)
	for _, id := range []string{"nope", "e-demo-000009", "", "e-demo-1", "e-demo-x", "-", "'"} {
		_, err := b.db.Batch(ctx, id)
		wantKind(t, err, problem.NotFound)
	}
}

// testPlanRefused also checks that a refused plan leaves nothing behind: the
// last of several batches is at fault.
func testPlanRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 2)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 1, span(0, 0, 5))}, stream.Position{5, 0}))
	before := must(b.db.Exporter(ctx, e.ID))(t)
	for _, c := range []struct {
		name   string
		kind   problem.Kind
		next   stream.Position
		change func(*stream.Batch)
	}{
		{"gap", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Ranges[0].Start++ }},
		{"overlap", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Ranges[0].Start-- }},
		{"other end", problem.Internal, stream.Position{8, 0}, func(*stream.Batch) {}},
		{"other partition moves", problem.Internal, stream.Position{9, 1}, func(*stream.Batch) {}},
		{"short position", problem.Internal, stream.Position{9}, func(*stream.Batch) {}},
		{"no such partition", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Ranges = append(b.Objects[0].Ranges, span(2, 0, 1)) }},
		{"negative partition", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Ranges[0].Partition = -1 }},
		{"hole in batch", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Ranges = []stream.Range{span(0, 6, 7), span(0, 8, 9)} }},
		{"empty range", problem.Internal, stream.Position{7, 0}, func(b *stream.Batch) { b.Objects[0].Ranges[0].End = 6; b.Objects[0].Ranges[0].Start = 6 }},
		{"no objects", problem.Internal, stream.Position{6, 0}, func(b *stream.Batch) { b.Objects = nil }},
		{"no key", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Key = "" }},
		{"sequence", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Seq++ }},
		{"id", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.ID += "0" }},
		{"state", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.State = stream.BatchDone }},
		{"stream", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.StreamID = "x" }},
		{"replay", problem.Internal, stream.Position{9, 0}, func(b *stream.Batch) { b.Replay = "r" }},
		{"no position", problem.Internal, nil, func(*stream.Batch) {}},
		{"key of a stored plan", problem.Conflict, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Key = "p/e-demo-1.jsonl" }},
		{"key twice", problem.Conflict, stream.Position{9, 0}, func(b *stream.Batch) { b.Objects[0].Key = "p/e-demo-2.jsonl" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			good, bad := plan(e, 2, span(0, 5, 6)), plan(e, 3, span(0, 6, 9))
			c.change(&bad)
			wantKind(t, b.db.Plan(ctx, []stream.Batch{good, bad}, c.next), c.kind)
			if after := must(b.db.Exporter(ctx, e.ID))(t); !reflect.DeepEqual(after, before) {
				t.Fatalf("exporter changed to %+v", after)
			}
			if left := must(b.db.Unfinished(ctx, e.ID))(t); len(left) != 1 {
				t.Fatalf("unfinished %+v", left)
			}
		})
	}
	wantKind(t, b.db.Plan(ctx, nil, stream.Position{5, 0}), problem.Internal)
	wantKind(t, b.db.Plan(ctx, []stream.Batch{plan(e, 1, span(0, 5, 6))}, stream.Position{6, 0}), problem.Conflict) // planned already
	wantKind(t, b.db.Plan(ctx, []stream.Batch{plan(e, 3, span(0, 5, 6))}, stream.Position{6, 0}), problem.Conflict) // a number left out
	stranger := plan(e, 2, span(0, 5, 6))
	stranger.ExporterID, stranger.ID = "nope", "nope-000002"
	wantKind(t, b.db.Plan(ctx, []stream.Batch{stranger}, stream.Position{6, 0}), problem.Conflict)
	ok(t, b.db.Plan(ctx, []stream.Batch{plan(e, 2, span(0, 5, 6)), plan(e, 3, span(0, 6, 9))}, stream.Position{9, 0}))
}

func testSaveRefused(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	p := plan(e, 1, span(0, 0, 5))
	ok(t, b.db.Plan(ctx, []stream.Batch{p}, stream.Position{5}))
	early := p
	early.State = stream.BatchDone
	wantKind(t, b.db.Save(ctx, &early), problem.Internal)
	early.State = stream.BatchAbandoned
	wantKind(t, b.db.Save(ctx, &early), problem.Internal)
	ok(t, attempt(ctx, b.db, &p))

	back := p
	back.State = stream.BatchPlanned
	wantKind(t, b.db.Save(ctx, &back), problem.Internal)
	other := p
	other.Attempts, other.Objects = 99, []stream.Object{{Key: "other"}}
	wantKind(t, b.db.Save(ctx, &other), problem.Internal)
	if got := must(b.db.Batch(ctx, p.ID))(t); !reflect.DeepEqual(got, p) {
		t.Fatalf("a refused save changed the batch to %+v", got)
	}
	unknown := plan(e, 2, span(0, 5, 6))
	wantKind(t, b.db.Save(ctx, &unknown), problem.NotFound)

	ok(t, finish(ctx, b.db, &p))
	again := p
	again.Problem = "late"
	wantKind(t, b.db.Save(ctx, &again), problem.Conflict)
	again.State = stream.BatchAttempted
	wantKind(t, b.db.Save(ctx, &again), problem.Conflict)
	if got := must(b.db.Batch(ctx, p.ID))(t); !reflect.DeepEqual(got, p) {
		t.Fatalf("a done batch changed to %+v", got)
	}
	if sum := must(b.db.Totals(ctx, e.ID))(t); sum.Batches != 1 || sum.Events != 5 {
		t.Fatalf("totals %+v", sum)
	}
}

func testKeys(t *testing.T, b *bench) {
	ctx := t.Context()
	one, two := b.plain("a", 1), b.plain("b", 1)
	key := func(e stream.Exporter, seq int64, from int, k string) stream.Batch {
		p := plan(e, seq, span(0, from, from+1))
		p.Objects[0].Key = k
		return p
	}
	ok(t, b.db.Plan(ctx, []stream.Batch{key(one, 1, 0, "k")}, stream.Position{1}))
	ok(t, b.db.Plan(ctx, []stream.Batch{key(two, 1, 0, "k")}, stream.Position{1})) // another bucket
	// A second sink for the first bucket shares its keys.
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: "c", Type: stream.SinkS3, Bucket: "bucket-a"})
	ok(t, err)
	three := b.exporter("e-c", "c", "b", "c", 1)
	wantKind(t, b.db.Plan(ctx, []stream.Batch{key(three, 1, 0, "k")}, stream.Position{1}), problem.Conflict)
	ok(t, b.db.Plan(ctx, []stream.Batch{key(three, 1, 0, "K")}, stream.Position{1}))
	// Done or not, a key stays taken.
	done := must(b.db.Batch(ctx, "e-a-000001"))(t)
	ok(t, finish(ctx, b.db, &done))
	wantKind(t, b.db.Plan(ctx, []stream.Batch{key(three, 2, 1, "k")}, stream.Position{2}), problem.Conflict)
	// The same bucket name elsewhere is another bucket.
	_, _, err = b.db.PutSink(ctx, stream.Sink{Name: "d", Type: stream.SinkS3, Bucket: "bucket-a", Endpoint: "http://localhost:9000"})
	ok(t, err)
	ok(t, b.db.Plan(ctx, []stream.Batch{key(b.exporter("e-d", "d", "b", "d", 1), 1, 0, "k")}, stream.Position{1}))
}

// testRekey: a batch of which nothing is in the bucket may get other keys; the
// ledger keeps the moment they name to the microsecond.
func testRekey(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	one, two := plan(e, 1, span(0, 0, 5)), plan(e, 2, span(0, 5, 6))
	two.Objects = append(two.Objects, stream.Object{Key: "p/second", Ranges: []stream.Range{span(0, 6, 9)}, Events: 3})
	ok(t, b.db.Plan(ctx, []stream.Batch{one, two}, stream.Position{9}))
	ok(t, attempt(ctx, b.db, &two)) // may be stored, as far as the ledger knows

	moved := two
	moved.CutAt, moved.Problem = time.UnixMilli(1609541171643).UTC(), "not for this call"
	moved.Objects = slices.Clone(two.Objects)
	wantKind(t, b.db.Rekey(ctx, &moved), problem.Internal) // the caller does not say that nothing is stored
	name := func(first, second string) {
		for i, key := range []string{first, second} {
			moved.Objects[i].Key, moved.Objects[i].MaybeStored = key, false
		}
	}
	name("p/new-1", one.Objects[0].Key)
	err := b.db.Rekey(ctx, &moved)
	wantKind(t, err, problem.Conflict)
	var taken *stream.KeyTakenError
	if !errors.As(err, &taken) || taken.Key != one.Objects[0].Key {
		t.Fatalf("taken: %v", err)
	}
	b.reopen()
	if got := must(b.db.Batch(ctx, two.ID))(t); !reflect.DeepEqual(got, two) {
		t.Fatalf("a refused change made of the batch\n%+v", got)
	}
	name("p/new-1", "p/new-2")
	ok(t, b.db.Rekey(ctx, &moved))
	b.reopen()
	want := moved
	want.Problem = ""
	if got := must(b.db.Batch(ctx, two.ID))(t); !reflect.DeepEqual(got, want) {
		t.Fatalf("batch\n%+v, want\n%+v", got, want)
	}
	// Who does not know of it can store nothing under the older keys.
	wantKind(t, attempt(ctx, b.db, &two), problem.Internal)
	// The older keys are free again, the new ones are not.
	three := plan(e, 3, span(0, 9, 10))
	three.Objects[0].Key = "p/new-2"
	wantKind(t, b.db.Plan(ctx, []stream.Batch{three}, stream.Position{10}), problem.Conflict)
	three.Objects[0].Key = "p/second"
	ok(t, b.db.Plan(ctx, []stream.Batch{three}, stream.Position{10}))

	late := want
	late.Objects = slices.Clone(want.Objects)
	ok(t, finish(ctx, b.db, &want))
	wantKind(t, b.db.Rekey(ctx, &want), problem.Internal)
	wantKind(t, b.db.Rekey(ctx, &late), problem.Conflict)
	late.Seq, late.ID = 9, "e-demo-000009"
	wantKind(t, b.db.Rekey(ctx, &late), problem.NotFound)

	// One object is stored already: the batch keeps its keys.
	four := plan(e, 4, span(0, 10, 11))
	four.Objects = append(four.Objects, stream.Object{Key: "p/four", Ranges: []stream.Range{span(0, 11, 12)}, Events: 1})
	ok(t, b.db.Plan(ctx, []stream.Batch{four}, stream.Position{12}))
	half := four
	half.Objects = slices.Clone(four.Objects)
	half.State, half.Objects[1].MaybeStored, half.Objects[1].Stored = stream.BatchAttempted, true, true
	ok(t, b.db.Save(ctx, &half))
	four.Objects[0].Key = "p/elsewhere"
	wantKind(t, b.db.Rekey(ctx, &four), problem.Internal)
	if got := must(b.db.Batch(ctx, four.ID))(t); got.Objects[0].Key != half.Objects[0].Key {
		t.Fatalf("a refused change named an object %s", got.Objects[0].Key)
	}
}

// testNeverMove: a batch stays where it was planned to go. Its exporter may
// move, its sink may not until it is delivered.
func testNeverMove(t *testing.T, b *bench) {
	ctx := t.Context()
	one, two := b.plain("a", 1), b.plain("b", 1)
	key := func(e stream.Exporter, seq int64, from int, k string) stream.Batch {
		p := plan(e, seq, span(0, from, from+1))
		p.Objects[0].Key = k
		return p
	}
	put := func(name, bucket string) error {
		_, _, err := b.db.PutSink(ctx, stream.Sink{Name: name, Type: stream.SinkS3, Bucket: bucket})
		return err
	}
	done, open := key(one, 1, 0, "done"), key(one, 2, 1, "open")
	ok(t, b.db.Plan(ctx, []stream.Batch{done, open}, stream.Position{2}))
	ok(t, finish(ctx, b.db, &done))
	for name, change := range map[string]func(*stream.Sink){
		"bucket":   func(s *stream.Sink) { s.Bucket = "new" },
		"endpoint": func(s *stream.Sink) { s.Endpoint = "http://localhost:9000" },
		"type":     func(s *stream.Sink) { s.Type = stream.SinkGCS },
	} {
		s := must(b.db.Sink(ctx, "a"))(t)
		change(&s)
		_, _, err := b.db.PutSink(ctx, s)
		wantKind(t, err, problem.Conflict)
		if !strings.Contains(err.Error(), "strm flush") || !strings.Contains(err.Error(), "1 batches") {
			t.Errorf("%s: %q does not say how to go on", name, err)
		}
	}
	s := must(b.db.Sink(ctx, "a"))(t)
	if s.Bucket != "bucket-a" || s.Revision != 1 {
		t.Fatalf("refused, but changed: %+v", s)
	}
	// How it is reached may change at any time.
	s.Credentials, s.Region, s.PathStyle = []byte("new"), "eu-west-1", true
	_, _, err := b.db.PutSink(ctx, s)
	ok(t, err)

	// The exporter moves, though a key of its open batch is taken where it goes.
	ok(t, b.db.Plan(ctx, []stream.Batch{key(two, 1, 0, "open")}, stream.Position{1}))
	e := must(b.db.Exporter(ctx, one.ID))(t)
	e.Sink = "b"
	ok(t, b.db.UpdateExporter(ctx, e))
	if left := must(b.db.Unfinished(ctx, one.ID))(t); len(left) != 1 || left[0].Sink != "a" || left[0].Place != `S3 "" bucket-a` {
		t.Fatalf("the open batch moved: %+v", left)
	}
	wantKind(t, put("a", "new"), problem.Conflict) // no exporter writes there now, but the batch does
	wantKind(t, b.db.Plan(ctx, []stream.Batch{key(two, 2, 1, "open")}, stream.Position{2}), problem.Conflict)
	third := key(e, 3, 2, "third")
	ok(t, b.db.Plan(ctx, []stream.Batch{third}, stream.Position{3}))

	// Delivered: the sink may go, and what it holds stays known, key by key.
	ok(t, finish(ctx, b.db, &open))
	ok(t, put("a", "new"))
	for id, place := range map[string]string{done.ID: `S3 "" bucket-a`, open.ID: `S3 "" bucket-a`, third.ID: `S3 "" bucket-b`} {
		if got := must(b.db.Batch(ctx, id))(t); got.Place != place {
			t.Errorf("batch %s is at %q, want %q", id, got.Place, place)
		}
	}
	ok(t, put("old", "bucket-a"))
	three := b.exporter("e-3", "three", "a", "old", 1)
	for _, taken := range []string{"done", "open"} {
		wantKind(t, b.db.Plan(ctx, []stream.Batch{key(three, 1, 0, taken)}, stream.Position{1}), problem.Conflict)
	}
	ok(t, b.db.Plan(ctx, []stream.Batch{key(three, 1, 0, "third")}, stream.Position{1}))

	// Deleting the exporter is the other way out; where its batch was to go stays.
	wantKind(t, put("old", "elsewhere"), problem.Conflict)
	ok(t, b.db.DeleteExporter(ctx, three.ID))
	ok(t, put("old", "elsewhere"))
	if got := must(b.db.Batch(ctx, stream.BatchID(three.ID, 1)))(t); got.State != stream.BatchAbandoned || got.Place != `S3 "" bucket-a` {
		t.Errorf("abandoned batch %+v", got)
	}
}

func testAbandonReplay(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	first := plan(e, 1, span(0, 0, 9))
	ok(t, b.db.Plan(ctx, []stream.Batch{first}, stream.Position{9}))
	ok(t, finish(ctx, b.db, &first))
	again := func(seq int64, id string, from, to int) stream.Batch {
		p := plan(e, seq, span(0, from, to))
		p.Replay, p.Reason = id, stream.CutReplay
		return p
	}
	done, tried, waits, other := again(2, "r1", 0, 2), again(3, "r1", 2, 4), again(4, "r1", 4, 6), again(5, "r2", 6, 9)
	ok(t, b.db.Plan(ctx, []stream.Batch{done, tried, waits}, nil))
	ok(t, b.db.Plan(ctx, []stream.Batch{other}, nil))
	open := plan(e, 6, span(0, 9, 10))
	ok(t, b.db.Plan(ctx, []stream.Batch{open}, stream.Position{10}))
	ok(t, finish(ctx, b.db, &done))
	ok(t, attempt(ctx, b.db, &tried))

	for _, c := range []struct{ exporter, replay string }{{"nope", "r1"}, {e.ID, "r3"}, {e.ID, ""}} {
		_, err := b.db.AbandonReplay(ctx, c.exporter, c.replay)
		wantKind(t, err, problem.NotFound)
	}
	if n := must(b.db.AbandonReplay(ctx, e.ID, "r1"))(t); n != 2 {
		t.Fatalf("%d batches abandoned, want 2", n)
	}
	b.reopen()
	if n := must(b.db.AbandonReplay(ctx, e.ID, "r1"))(t); n != 0 {
		t.Fatalf("the second time %d", n)
	}
	want := []stream.BatchState{stream.BatchDone, stream.BatchDone, stream.BatchAbandoned, stream.BatchAbandoned, stream.BatchPlanned, stream.BatchPlanned}
	for i, state := range want {
		if got := must(b.db.Batch(ctx, stream.BatchID(e.ID, int64(i+1))))(t); got.State != state {
			t.Errorf("batch %d is %s, want %s", i+1, got.State, state)
		}
	}
	wantKind(t, finish(ctx, b.db, &tried), problem.Conflict)
	// The log is held by the other replay only, and the keys are free.
	if held, _, err := b.db.Held(ctx, "id-demo"); err != nil || !slices.Equal(held, stream.Position{6}) {
		t.Errorf("held %v, %v", held, err)
	}
	next := again(7, "r3", 2, 4)
	next.Objects[0].Key = tried.Objects[0].Key
	ok(t, b.db.Plan(ctx, []stream.Batch{next}, nil))
	if sum := must(b.db.Totals(ctx, e.ID))(t); sum.ReplayedBatches != 1 || sum.UnfinishedBatches != 3 {
		t.Errorf("totals %+v", sum)
	}
}

func testReplayAndHeld(t *testing.T, b *bench) {
	ctx := t.Context()
	if _, held, err := b.db.Held(ctx, "id-demo"); err != nil || held {
		t.Fatalf("held %v, %v without exporters", held, err)
	}
	e := b.plain("demo", 2)
	held := func(want ...stream.Offset) {
		t.Helper()
		got, some, err := b.db.Held(ctx, "id-demo")
		if ok(t, err); !some || !slices.Equal(got, want) {
			t.Fatalf("held %v %v, want %v", got, some, want)
		}
	}
	held(0, 0)
	one, two := plan(e, 1, span(0, 0, 5), span(1, 0, 2)), plan(e, 2, span(0, 5, 8))
	ok(t, b.db.Plan(ctx, []stream.Batch{one, two}, stream.Position{8, 2}))
	held(0, 0)
	ok(t, finish(ctx, b.db, &one))
	held(5, 2)
	ok(t, finish(ctx, b.db, &two))
	held(8, 2)
	// A replay holds what it reads again and moves no position.
	again := plan(e, 3, span(0, 2, 4), span(1, 1, 2))
	again.Replay, again.Reason = "r1", stream.CutReplay
	ok(t, b.db.Plan(ctx, []stream.Batch{again}, nil))
	held(2, 1)
	if got := must(b.db.Exporter(ctx, e.ID))(t); got.LastSeq != 3 || !slices.Equal(got.Next, stream.Position{8, 2}) {
		t.Fatalf("exporter %+v", got)
	}
	ok(t, finish(ctx, b.db, &again))
	held(8, 2)
	sum := must(b.db.Totals(ctx, e.ID))(t)
	if sum.Batches != 2 || sum.Events != 10 || sum.ReplayedBatches != 1 || sum.ReplayedEvents != 3 || sum.ReplayedBytes != 30 {
		t.Fatalf("totals %+v", sum)
	}
	b.exporter("late", "late", "demo", "demo", 2)
	held(0, 0)
	ok(t, b.db.DeleteExporter(ctx, "late"))
	held(8, 2)
}

func testBatchPages(t *testing.T, b *bench) {
	ctx := t.Context()
	e := b.plain("demo", 1)
	const n = 450
	var all []stream.Batch
	for i := range n {
		p := plan(e, int64(i+1), span(0, i, i+1))
		if i%10 == 9 {
			p.Objects = append(p.Objects, stream.Object{Key: fmt.Sprintf("p/more-%d", i), Ranges: []stream.Range{span(0, i+1, i+2)}})
			p.Objects[0].Ranges, p.Objects[1].Ranges = []stream.Range{span(0, 2*i, 2*i+1)}, []stream.Range{span(0, 2*i+1, 2*i+2)}
		} else {
			p.Objects[0].Ranges = []stream.Range{span(0, 2*i, 2*i+2)}
		}
		all = append(all, p)
	}
	ok(t, b.db.Plan(ctx, all, stream.Position{2 * n}))
	ok(t, attempt(ctx, b.db, &all[3]))
	ok(t, finish(ctx, b.db, &all[5]))
	replay := plan(e, n+1, span(0, 0, 1))
	replay.Replay = "r"
	ok(t, b.db.Plan(ctx, []stream.Batch{replay}, nil))

	next := int64(0)
	ok(t, b.db.EachBatch(ctx, e.ID, func(b *stream.Batch) error {
		next++
		if b.Seq != next || next <= n && len(b.Objects) != len(all[next-1].Objects) {
			return fmt.Errorf("batch %d with %d objects at place %d", b.Seq, len(b.Objects), next)
		}
		return nil
	}))
	if next != n+1 {
		t.Fatalf("%d batches, want %d", next, n+1)
	}
	stop := fmt.Errorf("stop")
	if err := b.db.EachBatch(ctx, e.ID, func(*stream.Batch) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("error %v", err)
	}
	for _, c := range []struct {
		q    catalog.BatchQuery
		want []int64
	}{
		{catalog.BatchQuery{Limit: 3}, []int64{n + 1, n, n - 1}},
		{catalog.BatchQuery{Limit: 3, BeforeSeq: 11}, []int64{10, 9, 8}},
		{catalog.BatchQuery{State: stream.BatchAttempted}, []int64{4}},
		{catalog.BatchQuery{State: stream.BatchDone}, []int64{6}},
		{catalog.BatchQuery{State: stream.BatchAbandoned}, nil},
		{catalog.BatchQuery{State: stream.BatchPlanned, Limit: 2, BeforeSeq: 7}, []int64{5, 3}},
		{catalog.BatchQuery{Replay: "r"}, []int64{n + 1}},
		{catalog.BatchQuery{Replay: "s"}, nil},
		{catalog.BatchQuery{State: "odd"}, nil},
	} {
		var got []int64
		for _, b := range must(b.db.Batches(ctx, e.ID, c.q))(t) {
			got = append(got, b.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
	if got := must(b.db.Batches(ctx, e.ID, catalog.BatchQuery{}))(t); len(got) != 100 {
		t.Errorf("a page without limit has %d batches", len(got))
	}
}
