package exporter

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

var noon = time.Date(2026, 3, 26, 12, 0, 0, 0, time.UTC)

func TestBatchesAreCutByTheFirstRuleThatHolds(t *testing.T) {
	cut := stream.Cut{Interval: time.Minute, MaxBytes: 1000, MaxEvents: 10}
	hourly := stream.Cut{Interval: time.Hour, Offset: 40 * time.Minute, MaxPacked: 100}
	at := noon.Add(30 * time.Second)
	for name, c := range map[string]struct {
		cut    stream.Cut
		w      waiting
		flush  bool
		now    time.Time
		reason stream.CutReason
		cutAt  time.Time
		wake   time.Time
	}{
		"nothing waits":                         {cut, waiting{}, true, at, "", time.Time{}, time.Time{}},
		"not yet":                               {cut, waiting{events: 1, raw: 1, oldest: at}, false, at, "", time.Time{}, noon.Add(time.Minute)},
		"interval, at the boundary":             {cut, waiting{events: 1, oldest: at}, false, noon.Add(time.Minute), stream.CutInterval, noon.Add(time.Minute), time.Time{}},
		"interval, an hour late: newest":        {cut, waiting{events: 1, oldest: at}, false, noon.Add(time.Hour + 7*time.Second), stream.CutInterval, noon.Add(time.Hour), time.Time{}},
		"bytes":                                 {cut, waiting{events: 1, raw: 1000, oldest: at}, false, at, stream.CutBytes, at, time.Time{}},
		"events":                                {cut, waiting{events: 10, raw: 1, oldest: at}, false, at, stream.CutEvents, at, time.Time{}},
		"flush":                                 {cut, waiting{events: 1, raw: 1, oldest: at}, true, at, stream.CutFlush, at, time.Time{}},
		"more waits than fits":                  {cut, waiting{events: 1, oldest: at, limit: stream.CutEvents}, false, at, stream.CutEvents, at, time.Time{}},
		"no interval waits for size for ever":   {stream.Cut{MaxBytes: 10}, waiting{events: 1, raw: 9, oldest: at}, false, at, "", time.Time{}, time.Time{}},
		"stamped ahead: the next boundary":      {cut, waiting{events: 1, oldest: at.AddDate(1, 0, 0)}, false, at, "", time.Time{}, noon.Add(time.Minute)},
		"stamped ahead, seen before it":         {cut, waiting{events: 1, oldest: at.AddDate(1, 0, 0), seen: at}, false, noon.Add(time.Minute), stream.CutInterval, noon.Add(time.Minute), time.Time{}},
		"stamped ahead, seen ahead":             {cut, waiting{events: 1, oldest: at.AddDate(1, 0, 0), seen: at.Add(time.Hour)}, false, at, "", time.Time{}, noon.Add(time.Minute)},
		"not ahead: when seen does not matter":  {cut, waiting{events: 1, oldest: at, seen: noon.Add(-time.Hour)}, false, at, "", time.Time{}, noon.Add(time.Minute)},
		"offset, before it":                     {hourly, waiting{events: 1, oldest: at}, false, at, "", time.Time{}, noon.Add(40 * time.Minute)},
		"offset, at it":                         {hourly, waiting{events: 1, oldest: at}, false, noon.Add(40 * time.Minute), stream.CutInterval, noon.Add(40 * time.Minute), time.Time{}},
		"offset, after it: that of the next":    {hourly, waiting{events: 1, oldest: noon.Add(40 * time.Minute)}, false, noon.Add(time.Hour), "", time.Time{}, noon.Add(100 * time.Minute)},
		"offset, hours late: the newest":        {hourly, waiting{events: 1, oldest: at}, false, noon.Add(5 * time.Hour), stream.CutInterval, noon.Add(4*time.Hour + 40*time.Minute), time.Time{}},
		"packed bytes":                          {hourly, waiting{events: 1, raw: 900, packed: 100, oldest: at}, false, at, stream.CutBytes, at, time.Time{}},
		"packed bytes, not yet":                 {hourly, waiting{events: 1, raw: 9000, packed: 99, oldest: at}, false, at, "", time.Time{}, noon.Add(40 * time.Minute)},
		"an event on the boundary waits a turn": {cut, waiting{events: 1, oldest: noon}, false, noon, "", time.Time{}, noon.Add(time.Minute)},
	} {
		reason, cutAt, wake := due(c.cut, c.w, c.flush, c.now)
		if reason != c.reason || !cutAt.Equal(c.cutAt) || !wake.Equal(c.wake) {
			t.Errorf("%s: got %q %v %v, want %q %v %v", name, reason, cutAt, wake, c.reason, c.cutAt, c.wake)
		}
	}
}

func TestExistsIsSuccessOnlyAfterAnAttemptOfUnknownOutcome(t *testing.T) {
	e := func(o objstore.Outcome, r objstore.Reason) error {
		return &objstore.Error{Op: "put", Key: "k", Outcome: o, Reason: r, Err: errors.New("told so")}
	}
	for name, c := range map[string]struct {
		maybe bool
		err   error
		want  verdict
	}{
		"stored":                                  {false, nil, verdict{stored: true, maybeStored: true}},
		"exists, first attempt: foreign":          {false, e(objstore.Exists, ""), verdict{blocked: true}},
		"exists, after an unknown outcome: ours":  {true, e(objstore.Exists, ""), verdict{stored: true, maybeStored: true}},
		"no answer":                               {false, e(objstore.Ambiguous, ""), verdict{maybeStored: true}},
		"not sent leaves what was known":          {false, e(objstore.NotSent, objstore.Unreachable), verdict{}},
		"not sent after an unknown outcome":       {true, e(objstore.NotSent, objstore.Unreachable), verdict{maybeStored: true}},
		"409 is a refusal, not an unknown":        {false, e(objstore.Rejected, objstore.Contended), verdict{}},
		"403 needs a person":                      {false, e(objstore.Rejected, objstore.Denied), verdict{blocked: true}},
		"403 after an unknown outcome":            {true, e(objstore.Rejected, objstore.Denied), verdict{blocked: true, maybeStored: true}},
		"damage in the log, seen while sending":   {false, &objstore.Error{Op: "put", Key: "k", Err: problem.New(problem.Corrupt, "block 0:3-5")}, verdict{blocked: true, maybeStored: true}},
		"throttled":                               {false, e(objstore.Ambiguous, objstore.Throttled), verdict{maybeStored: true}},
		"no conditions: once more without":        {false, e(objstore.Rejected, objstore.NoConditions), verdict{again: true}},
		"an error of no known kind is an unknown": {false, errors.New("odd"), verdict{maybeStored: true}},
	} {
		got := settle(c.maybe, c.err)
		if (got.problem == "") != got.stored {
			t.Errorf("%s: problem %q, stored %v", name, got.problem, got.stored)
		}
		got.problem = ""
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestBackoffGrowsToItsBoundAndNeverEnds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 100; n++ {
		quick, slow := DefaultBackoff.after(failures{n: n}, false, rnd), DefaultBackoff.after(failures{n: n}, true, rnd)
		if quick < DefaultBackoff.Min/2 || quick > DefaultBackoff.Max || slow < DefaultBackoff.BlockedMin/2 || slow > DefaultBackoff.BlockedMax {
			t.Fatalf("attempt %d waits %v, blocked %v", n, quick, slow)
		}
	}
}

func TestCombinedChecksumIsThatOfTheConcatenation(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a, b := make([]byte, rnd.IntN(5000)), make([]byte, rnd.IntN(5000))
		for i := range a {
			a[i] = byte(rnd.Uint32())
		}
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		want := crc32.ChecksumIEEE(bytes.Join([][]byte{a, b}, nil))
		if got := combineCRC32(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b))); got != want {
			t.Fatalf("%d+%d bytes: got %08x, want %08x", len(a), len(b), got, want)
		}
	}
}

func TestPlanDividesByHourAndTilesEachPartition(t *testing.T) {
	lay, err := layout.Parse("hive")
	if err != nil {
		t.Fatal(err)
	}
	h := func(p, start, end int, at time.Time) stream.BlockHeader {
		return stream.BlockHeader{
			Range: stream.Range{Partition: stream.Partition(p), Start: stream.Offset(start), End: stream.Offset(end)}, Events: int64(end - start), FirstAt: at, LastAt: at,
		}
	}
	blocks := []stream.BlockHeader{h(1, 0, 5, noon), h(0, 7, 9, noon), h(0, 9, 12, noon.Add(time.Minute)), h(1, 5, 6, noon.Add(time.Hour)), h(0, 12, 20, noon.Add(time.Hour))}
	e := stream.Exporter{ID: "1a2b3c4d", Stream: "demo", Sink: "s3", Next: stream.Position{7, 0}}
	b := plan(planned{exporter: e, seq: 3, reason: stream.CutFlush, cutAt: noon, output: stream.Output{PathPrefix: "p"}, layout: lay, variant: format.Variant{Ext: "jsonl"}}, blocks)
	if len(b.Objects) != 2 || b.Events() != 19 {
		t.Fatalf("got %d objects with %d events", len(b.Objects), b.Events())
	}
	for i, key := range []string{"p/demo/dt=2026-03-26/hour=12/2026-03-26T12-00-00Z-1a2b3c4d-000003.jsonl", "p/demo/dt=2026-03-26/hour=13/2026-03-26T12-00-00Z-1a2b3c4d-000003.jsonl"} {
		if b.Objects[i].Key != key {
			t.Errorf("object %d: %s", i, b.Objects[i].Key)
		}
	}
	next, err := e.Next.Advance(b.Ranges())
	if err != nil || next[0] != 20 || next[1] != 6 {
		t.Errorf("the plan does not tile: %v, %v", next, err)
	}
	if got := after(e.Next, blocks); got[0] != 20 || got[1] != 6 {
		t.Errorf("position after: %v", got)
	}
}

// A long trouble of one kind does not make the first failure of another wait.
func TestBackoffCountsFailuresOfLikeCause(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	cut := &objstore.Error{Op: "put", Outcome: objstore.Ambiguous, Err: errors.New("connection reset")}
	refused := problem.New(problem.Unavailable, "kafka: dial: connection refused")
	var f failures
	for range 10 {
		f = f.and(causeOf(cut))
	}
	if d := DefaultBackoff.after(f, false, rnd); d < 20*time.Second {
		t.Errorf("the tenth failure of the store waits %v", d)
	}
	f = f.and(causeOf(refused))
	if d := DefaultBackoff.after(f, false, rnd); f.n != 1 || d > DefaultBackoff.Min {
		t.Errorf("the first failure of the log is number %d and waits %v", f.n, d)
	}
	for range 100 {
		f = f.and(causeOf(refused))
		if d := DefaultBackoff.after(f, false, rnd); d > 5*time.Second {
			t.Fatalf("failure %d of the log waits %v", f.n, d)
		}
	}
	if d := DefaultBackoff.after(f, true, rnd); d < time.Minute {
		t.Errorf("what needs a person waits %v", d)
	}
	if f = f.and(causeOf(cut)); f.n != 1 {
		t.Errorf("the store's is number %d", f.n)
	}
}

func TestCauses(t *testing.T) {
	kafka := problem.New(problem.Unavailable, "kafka: away")
	for name, c := range map[string]struct {
		err  error
		want cause
	}{
		"the store's answer":              {&objstore.Error{Err: errors.New("503")}, ofStore},
		"its answer to a validation":      {problem.New(problem.Invalid, "sink s: %w", &objstore.Error{Err: errors.New("403")}), ofStore},
		"the log":                         {kafka, ofOurs},
		"the log, seen while it was sent": {&objstore.Error{Op: "put", Err: fmt.Errorf("body: %w", kafka)}, ofOurs},
		"whatever":                        {errors.New("odd"), ofOurs},
	} {
		if got := causeOf(c.err); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAnUploadWithoutAnAnswerIsSpokenOfAfterAWhile(t *testing.T) {
	p := putting{key: "events/x.jsonl", since: noon}
	if reason, _ := p.slow(noon.Add(slowPut - time.Second)); reason != "" {
		t.Errorf("too early: %q", reason)
	}
	reason, since := p.slow(noon.Add(42 * time.Second))
	if !strings.Contains(reason, "events/x.jsonl") || !strings.Contains(reason, "42s") || !since.Equal(noon) {
		t.Errorf("got %q, %v", reason, since)
	}
	if reason, _ := (putting{}).slow(noon); reason != "" {
		t.Errorf("nothing is under way: %q", reason)
	}
}

func TestBoundsOfABatch(t *testing.T) {
	for _, c := range []struct {
		cut stream.Cut
		raw int64
	}{
		{stream.Cut{}, 256 << 20},
		{stream.Cut{MaxBytes: 7, MaxPacked: 100_000_000}, 7},
		{stream.Cut{MaxPacked: 1000}, 256 << 20},
		{stream.Cut{MaxPacked: 100_000_000}, 1_600_000_000},
		{stream.Cut{MaxPacked: 5 << 30}, 4 << 30},
	} {
		if got := limitsOf(c.cut); got.raw != c.raw || got.packed != c.cut.MaxPacked {
			t.Errorf("%+v: got %+v, want %d raw bytes", c.cut, got, c.raw)
		}
	}
	// At most the packed size, but always one block.
	l := limitsOf(stream.Cut{MaxPacked: 100})
	if got := l.stops(waiting{}, stream.BlockHeader{Events: 1, Packed: 500}); got != "" {
		t.Errorf("the first block: %q", got)
	}
	if got := l.stops(waiting{events: 1, packed: 60}, stream.BlockHeader{Events: 1, Packed: 40}); got != "" {
		t.Errorf("what fits exactly: %q", got)
	}
	if got := l.stops(waiting{events: 1, packed: 60}, stream.BlockHeader{Events: 1, Packed: 41}); got != stream.CutBytes {
		t.Errorf("what does not fit: %q", got)
	}
	if l.full(waiting{events: 1, packed: 99}) || !l.full(waiting{events: 1, packed: 100}) {
		t.Error("full at the packed size, not before")
	}
}

// A lane that waits for a size is woken when the log says that it is reached.
func TestLanesAreWokenAtTheSizesTheyWaitFor(t *testing.T) {
	before := totals{raw: 100, packed: 10, events: 1}
	m := before.marks(rest{raw: 50, packed: 5})
	if m != (totals{raw: 150, packed: 15}) {
		t.Fatalf("marks %+v", m)
	}
	for _, c := range []struct {
		at   totals
		want bool
	}{
		{totals{raw: 149, packed: 14, events: 1000}, false},
		{totals{raw: 150}, true},
		{totals{packed: 15}, true},
	} {
		if got := c.at.reached(m); got != c.want {
			t.Errorf("%+v: %v", c.at, got)
		}
	}
	var low totals
	for _, x := range []totals{m, {raw: 200, events: 7}, {}} {
		low.lowest(x)
	}
	if low != (totals{raw: 150, packed: 15, events: 7}) {
		t.Errorf("lowest %+v", low)
	}
}
