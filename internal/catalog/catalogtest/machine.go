package catalogtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// machine makes random calls, right and wrong, and knows what must be true
// after each.
type machine struct {
	b      *bench
	ctx    context.Context
	run    int
	of     stream.Stream
	live   []string            // exporters not deleted
	all    map[string]*tracked // also the deleted
	made   int
	moves  int
	bucket map[string]string // by sink
}

// tracked is what the machine knows of one exporter.
type tracked struct {
	sink    string
	deleted bool
	start   stream.Position
	next    stream.Position
	batches []stream.Batch
	done    int64
	events  int64
}

func testMachine(t *testing.T, b *bench) {
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &machine{b: b, ctx: t.Context(), run: run, all: map[string]*tracked{}, bucket: map[string]string{}}
		m.begin(r)
		r.Repeat(map[string]func(*rapid.T){
			"":              m.check,
			"plan":          m.plan,
			"stale plan":    m.stalePlan,
			"broken plan":   m.brokenPlan,
			"taken key":     m.takenKey,
			"replay":        m.replay,
			"attempt":       m.attempt,
			"finish":        m.finish,
			"save done":     m.saveDone,
			"rekey":         m.rekey,
			"create":        m.create,
			"abandon":       m.abandon,
			"delete":        m.delete,
			"move sink":     m.moveSink,
			"other sink":    m.otherSink,
			"close, open":   func(*rapid.T) { m.b.reopen() },
			"two at a time": m.planTwice,
		})
	})
}

func (m *machine) begin(r *rapid.T) {
	m.of = stream.Stream{ID: fmt.Sprintf("id%d", m.run), Name: fmt.Sprintf("s%d", m.run), Partitions: 2}
	ok(r, m.b.db.CreateStream(m.ctx, m.of))
	for _, s := range []string{"x", "y"} {
		name := fmt.Sprintf("%s%d", s, m.run)
		m.putSink(r, name)
	}
	m.create(r)
}

func (m *machine) putSink(r *rapid.T, name string) {
	m.moves++
	bucket := fmt.Sprintf("b%d-%d", m.run, m.moves)
	_, _, err := m.b.db.PutSink(m.ctx, stream.Sink{Name: name, Type: stream.SinkS3, Bucket: bucket})
	if m.waitsFor(name) {
		wantKind(r, err, problem.Conflict)
		return
	}
	ok(r, err)
	m.bucket[name] = bucket
}

func (m *machine) place(e stream.Exporter) string { return `S3 "" ` + m.bucket[e.Sink] }

// waitsFor says whether a batch was planned for the sink and is not delivered.
func (m *machine) waitsFor(sink string) bool {
	for _, k := range m.all {
		for i := range k.batches {
			if k.batches[i].Sink == sink && k.batches[i].State.Unfinished() {
				return true
			}
		}
	}
	return false
}

func (m *machine) create(r *rapid.T) {
	m.made++
	id := fmt.Sprintf("e%d.%d", m.run, m.made)
	start := stream.Position{stream.Offset(rapid.IntRange(0, 9).Draw(r, "start")), 0}
	sink := fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"x", "y"}).Draw(r, "sink"), m.run)
	ok(r, m.b.db.CreateExporter(m.ctx, stream.Exporter{ID: id, Name: id, Stream: m.of.Name, Sink: sink, Start: start}))
	m.live = append(m.live, id)
	m.all[id] = &tracked{sink: sink, start: start, next: start.Clone()}
}

// pick draws a live exporter.
func (m *machine) pick(r *rapid.T) (stream.Exporter, *tracked) {
	if len(m.live) == 0 {
		r.Skip("no exporter")
	}
	id := rapid.SampledFrom(m.live).Draw(r, "exporter")
	return must(m.b.db.Exporter(m.ctx, id))(r), m.all[id]
}

// draw makes a right plan of one to three batches.
func (m *machine) draw(r *rapid.T, e stream.Exporter) ([]stream.Batch, stream.Position) {
	next := e.Next.Clone()
	var out []stream.Batch
	for i := range rapid.IntRange(1, 3).Draw(r, "batches") {
		var ranges []stream.Range
		for p := range next {
			n := stream.Offset(rapid.IntRange(0, 4).Draw(r, "events"))
			if p == 0 {
				n++
			}
			if n > 0 {
				ranges = append(ranges, stream.Range{Partition: stream.Partition(p), Start: next[p], End: next[p] + n})
				next[p] += n
			}
		}
		b := plan(e, e.LastSeq+1+int64(i), ranges...)
		b.Place = m.place(e)
		if len(ranges) == 2 && rapid.Bool().Draw(r, "two objects") {
			b.Objects[0].Ranges, b.Objects[0].Events = ranges[:1], 1
			b.Objects = append(b.Objects, stream.Object{Key: b.Objects[0].Key + ".2", Ranges: ranges[1:], Events: 1})
		}
		out = append(out, b)
	}
	return out, next
}

func (m *machine) plan(r *rapid.T) {
	e, k := m.pick(r)
	batches, next := m.draw(r, e)
	ok(r, m.b.db.Plan(m.ctx, batches, next))
	k.batches, k.next = append(k.batches, batches...), next
}

func (m *machine) planTwice(r *rapid.T) {
	e, k := m.pick(r)
	batches, next := m.draw(r, e)
	ok(r, m.b.db.Plan(m.ctx, batches, next))
	k.batches, k.next = append(k.batches, batches...), next
	wantKind(r, m.b.db.Plan(m.ctx, batches, next), problem.Conflict)
}

func (m *machine) stalePlan(r *rapid.T) {
	e, _ := m.pick(r)
	e.LastSeq += int64(rapid.SampledFrom([]int{-1, 1, 2}).Draw(r, "off by"))
	if e.LastSeq < 0 {
		r.Skip("below the first batch")
	}
	batches, next := m.draw(r, e)
	wantKind(r, m.b.db.Plan(m.ctx, batches, next), problem.Conflict)
}

func (m *machine) brokenPlan(r *rapid.T) {
	e, _ := m.pick(r)
	batches, next := m.draw(r, e)
	by := stream.Offset(rapid.SampledFrom([]int{-1, 1}).Draw(r, "by"))
	at := rapid.IntRange(0, len(batches)-1).Draw(r, "batch")
	switch rapid.IntRange(0, 2).Draw(r, "how") {
	case 0:
		next[rapid.IntRange(0, 1).Draw(r, "partition")] += by
	case 1:
		batches[at].Objects[0].Ranges[0].Start--
	case 2:
		batches[at].Objects[0].Ranges[0].End++
	}
	wantKind(r, m.b.db.Plan(m.ctx, batches, next), problem.Internal)
}

func (m *machine) takenKey(r *rapid.T) {
	e, k := m.pick(r)
	var taken string
	for _, b := range k.batches {
		if b.State != stream.BatchAbandoned && b.Place == m.place(e) {
			taken = b.Objects[0].Key
		}
	}
	if taken == "" {
		r.Skip("no key")
	}
	batches, next := m.draw(r, e)
	batches[len(batches)-1].Objects[0].Key = taken
	wantKind(r, m.b.db.Plan(m.ctx, batches, next), problem.Conflict)
}

func (m *machine) replay(r *rapid.T) {
	e, k := m.pick(r)
	if e.Next[0] == e.Start[0] {
		r.Skip("nothing planned")
	}
	b := plan(e, e.LastSeq+1, stream.Range{Start: e.Start[0], End: e.Next[0]})
	b.Replay, b.Place = "again", m.place(e)
	ok(r, m.b.db.Plan(m.ctx, []stream.Batch{b}, nil))
	k.batches = append(k.batches, b)
}

// choose draws a batch that is done or not.
func (m *machine) choose(r *rapid.T, unfinished bool) (*tracked, *stream.Batch) {
	_, k := m.pick(r)
	var of []int
	for i := range k.batches {
		if k.batches[i].State.Unfinished() == unfinished {
			of = append(of, i)
		}
	}
	if len(of) == 0 {
		r.Skip("no such batch")
	}
	return k, &k.batches[rapid.SampledFrom(of).Draw(r, "batch")]
}

func (m *machine) attempt(r *rapid.T) {
	_, b := m.choose(r, true)
	ok(r, attempt(m.ctx, m.b.db, b))
}

func (m *machine) finish(r *rapid.T) {
	k, b := m.choose(r, true)
	ok(r, finish(m.ctx, m.b.db, b))
	if b.Replay == "" {
		k.done++
		k.events += b.Events()
	}
}

// rekey names a batch anew, if nothing of it may be in the bucket.
func (m *machine) rekey(r *rapid.T) {
	_, b := m.choose(r, true)
	moved := *b
	moved.Objects = slices.Clone(b.Objects)
	moved.CutAt = moved.CutAt.Add(time.Millisecond)
	maybe := false
	for i := range moved.Objects {
		maybe = maybe || moved.Objects[i].MaybeStored
		moved.Objects[i].Key += "'"
	}
	if maybe {
		wantKind(r, m.b.db.Rekey(m.ctx, &moved), problem.Internal)
		return
	}
	ok(r, m.b.db.Rekey(m.ctx, &moved))
	*b = moved
}

func (m *machine) saveDone(r *rapid.T) {
	_, b := m.choose(r, false)
	copied := *b
	copied.Objects = slices.Clone(b.Objects)
	for i := range copied.Objects {
		copied.Objects[i].Stored = true // also of an abandoned batch: it is too late for that
	}
	copied.State = rapid.SampledFrom([]stream.BatchState{stream.BatchAttempted, stream.BatchDone, stream.BatchPlanned}).Draw(r, "state")
	wantKind(r, m.b.db.Save(m.ctx, &copied), problem.Conflict)
}

func (m *machine) delete(r *rapid.T) {
	e, k := m.pick(r)
	ok(r, m.b.db.DeleteExporter(m.ctx, e.ID))
	k.deleted = true
	m.live = slices.DeleteFunc(m.live, func(id string) bool { return id == e.ID })
	for i := range k.batches {
		if k.batches[i].State.Unfinished() {
			k.batches[i].State = stream.BatchAbandoned
		}
	}
}

func (m *machine) abandon(r *rapid.T) {
	e, k := m.pick(r)
	var n int64
	known := false
	for i := range k.batches {
		if b := &k.batches[i]; b.Replay != "" {
			known = true
			if b.State.Unfinished() {
				n++
				b.State = stream.BatchAbandoned
			}
		}
	}
	got, err := m.b.db.AbandonReplay(m.ctx, e.ID, "again")
	if !known {
		wantKind(r, err, problem.NotFound)
		return
	}
	if ok(r, err); got != n {
		r.Fatalf("%d batches abandoned, want %d", got, n)
	}
}

func (m *machine) moveSink(r *rapid.T) {
	m.putSink(r, fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"x", "y"}).Draw(r, "sink"), m.run))
}

func (m *machine) otherSink(r *rapid.T) {
	e, k := m.pick(r)
	e.Sink = fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"x", "y"}).Draw(r, "sink"), m.run)
	ok(r, m.b.db.UpdateExporter(m.ctx, e))
	k.sink = e.Sink
}

// check compares the database with what is known.
func (m *machine) check(r *rapid.T) {
	held := stream.Position(nil)
	for id, k := range m.all {
		// A deleted exporter is not readable, its batches are.
		e := stream.Exporter{ID: id, Start: k.start, Next: k.next, LastSeq: int64(len(k.batches))}
		if !k.deleted {
			stored := must(m.b.db.Exporter(m.ctx, id))(r)
			if stored.LastSeq != e.LastSeq || !slices.Equal(stored.Next, k.next) || !slices.Equal(stored.Start, k.start) || stored.Sink != k.sink {
				r.Fatalf("exporter %+v, want %+v", stored, e)
			}
		}
		checkTiling(m.ctx, r, m.b.db, e)
		m.checkBatches(r, id, k)
		if k.deleted {
			continue
		}
		if held == nil {
			held = k.next.Clone()
		}
		lowest(held, k)
	}
	got, some, err := m.b.db.Held(m.ctx, m.of.ID)
	if ok(r, err); some != (held != nil) || !slices.Equal(got, held) {
		r.Fatalf("held %v, want %v", got, held)
	}
}

func lowest(held stream.Position, k *tracked) {
	for p := range held {
		held[p] = min(held[p], k.next[p])
	}
	for i := range k.batches {
		if !k.batches[i].State.Unfinished() {
			continue
		}
		for _, g := range k.batches[i].Ranges() {
			held[g.Partition] = min(held[g.Partition], g.Start)
		}
	}
}

func (m *machine) checkBatches(r *rapid.T, id string, k *tracked) {
	var open int64
	i := 0
	ok(r, m.b.db.EachBatch(m.ctx, id, func(b *stream.Batch) error {
		want := &k.batches[i]
		i++
		if b.Sink != want.Sink || b.Place != want.Place {
			return fmt.Errorf("batch %s moved to %s (%s) from %s (%s)", b.ID, b.Sink, b.Place, want.Sink, want.Place)
		}
		if b.Objects[0].Key != want.Objects[0].Key || !b.CutAt.Equal(want.CutAt) {
			return fmt.Errorf("batch %s is %s at %v, want %s at %v", b.ID, b.Objects[0].Key, b.CutAt, want.Objects[0].Key, want.CutAt)
		}
		if b.State != want.State || b.Attempts != want.Attempts || b.Events() != want.Events() || len(b.Objects) != len(want.Objects) {
			return fmt.Errorf("batch %+v, want %+v", b, want)
		}
		if b.State.Unfinished() {
			open++
		}
		return nil
	}))
	if sum := must(m.b.db.Totals(m.ctx, id))(r); sum.Batches != k.done || sum.Events != k.events || sum.UnfinishedBatches != open {
		r.Fatalf("totals %+v, want %+v", sum, catalog.Totals{Batches: k.done, Events: k.events, UnfinishedBatches: open})
	}
}
