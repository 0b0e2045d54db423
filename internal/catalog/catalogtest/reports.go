package catalogtest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strm/internal/catalog"
	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

func testReports(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	// Another importer of the same place and prefix by another sink, and one elsewhere.
	_, _, err := b.db.PutSink(ctx, stream.Sink{Name: "twin", Type: stream.SinkS3, Bucket: "bucket-fme", UpdatedAt: noon})
	ok(t, err)
	twin := someImporter("fme")
	twin.ID, twin.Name, twin.Token, twin.Sink, twin.ReportEvery = "i-twin", "twin", "token-twin", "twin", time.Hour
	ok(t, b.db.CreateImporter(ctx, twin))
	far := b.importer("far")

	plan := func(at time.Time, max int) stream.Report {
		t.Helper()
		r, planned, err := b.db.PlanReport(ctx, at, max)
		if ok(t, err); !planned {
			t.Fatalf("nothing is planned at %v", at)
		}
		return r
	}
	nothing := func(at, next time.Time) {
		t.Helper()
		if r, planned, err := b.db.PlanReport(ctx, at, 10); err != nil || planned {
			t.Fatalf("at %v: %+v, %v", at, r, err)
		}
		if got := must(b.db.NextReport(ctx))(t); !got.Equal(next) {
			t.Fatalf("next at %v, want %v", got, next)
		}
	}
	nothing(noon, time.Time{})
	fileOne, fileTwo, fileThree := b.note(i, "sns", file("in/b", "1", "t", noon)), b.note(twin, "sns", file("in/a", "1", "t", noon.Add(time.Hour))), b.note(twin, "sns", file("in/a", "0", "t", noon))
	nothing(noon.Add(time.Hour), time.Time{}) // not done
	b.done(fileThree, noon, 2)
	b.done(fileTwo, noon.Add(time.Minute), 1)
	nothing(noon.Add(time.Hour-1000), noon.Add(time.Hour))
	b.done(fileOne, noon.Add(2*time.Minute), 3) // its importer waits for less
	nothing(noon.Add(6*time.Minute), noon.Add(7*time.Minute))

	at := noon.Add(7 * time.Minute)
	r := plan(at.Add(999*time.Microsecond), 2) // the files done first
	want := stream.Report{ID: r.ID, Place: `S3 "" bucket-fme`, StatusPrefix: "status", Sink: "fme", At: at.Truncate(time.Millisecond).Add(time.Millisecond), State: stream.ReportPlanned}
	if !reflect.DeepEqual(r, want) {
		t.Fatalf("report %+v, want %+v", r, want)
	}
	b.reopen()
	if open := must(b.db.OpenReports(ctx))(t); len(open) != 1 || !reflect.DeepEqual(open[0], want) {
		t.Fatalf("open %+v", open)
	}
	var told []string
	for _, e := range must(b.db.ReportEntries(ctx, r.ID))(t) {
		told = append(told, fmt.Sprintf("%s %s %d %d %v", e.Key, e.ObjectAt.Sub(noon), e.Entry.EntryID, e.Entry.Rows, e.Entry.ReportID == r.ID))
	}
	if !slices.Equal(told, []string{"in/a 0s 1 3 true", "in/a 0s 2 4 true", "in/a 1h0m0s 1 3 true"}) {
		t.Fatalf("entries %q", told)
	}
	if got := must(b.db.Report(ctx, r.ID))(t); !reflect.DeepEqual(got, want) {
		t.Fatalf("report %+v, want %+v", got, want)
	}
	_, err = b.db.Report(ctx, 99)
	wantKind(t, err, problem.NotFound)
	// By the same sink no other is planned while this one is open.
	nothing(at.Add(time.Hour), time.Time{})
	r.Attempts++
	r, planned, err := b.db.BeginReport(ctx, r)
	if ok(t, err); !planned || r.Attempts != 1 {
		t.Fatalf("begun %t: %+v", planned, r)
	}
	r.MaybeStored, r.Problem, r.NextTryAt = true, "403", at
	ok(t, b.db.SaveReport(ctx, r))
	if open := must(b.db.OpenReports(ctx))(t); len(open) != 1 || !reflect.DeepEqual(open[0], r) {
		t.Fatalf("open %+v, want %+v", open, r)
	}
	// By another sink there may be one, of all files of the place that wait; it must have another name.
	b.done(b.note(twin, "sns", file("in/c", "", "t", noon)), noon.Add(-time.Hour), 1)
	second := plan(r.At, 10)
	if second.Sink != "twin" || !second.At.Equal(r.At.Add(time.Millisecond)) {
		t.Fatalf("second %+v", second)
	}
	if got := must(b.db.ReportEntries(ctx, second.ID))(t); len(got) != 4 || got[3].Key != "in/c" {
		t.Fatalf("entries of the second %+v", got)
	}
	second.At = r.At
	wantKind(t, b.db.SaveReport(ctx, second), problem.Conflict)
	second.At = r.At.Add(5 * time.Millisecond)
	ok(t, b.db.SaveReport(ctx, second))

	r.State, r.DoneAt, r.Problem, r.NextTryAt = stream.ReportDone, at.Add(time.Second), "", time.Time{}
	for range 2 {
		ok(t, b.db.SaveReport(ctx, r))
	}
	back := r
	back.State = stream.ReportPlanned
	wantKind(t, b.db.SaveReport(ctx, back), problem.Conflict)
	back.State = stream.ReportAbandoned
	wantKind(t, b.db.SaveReport(ctx, back), problem.Internal)
	back.State, back.ID = stream.ReportDone, 99
	wantKind(t, b.db.SaveReport(ctx, back), problem.NotFound)

	// Elsewhere, and in the same place under another prefix: reports of their own.
	apart := someImporter("fme")
	apart.ID, apart.Name, apart.Token, apart.Sink, apart.StatusPrefix = "i-apart", "apart", "token-apart", "fme", "apart"
	ok(t, b.db.CreateImporter(ctx, apart))
	b.done(b.note(apart, "sns", file("in/z", "", "t", noon)), noon.Add(2*time.Hour), 1)
	b.done(b.note(i, "sns", file("in/y", "", "t", noon)), noon.Add(time.Hour), 1)
	one := plan(noon.Add(4*time.Hour), 10)
	two := plan(noon.Add(4*time.Hour), 10)
	for key, r := range map[string]stream.Report{"in/y": one, "in/z": two} {
		if got := must(b.db.ReportEntries(ctx, r.ID))(t); len(got) != 1 || got[0].Key != key {
			t.Fatalf("report %+v holds %+v, want %s alone", r, got, key)
		}
		r.State = stream.ReportDone
		ok(t, b.db.SaveReport(ctx, r))
	}
	if !one.At.Equal(two.At) || one.StatusPrefix == two.StatusPrefix {
		t.Fatalf("reports %+v and %+v: under two prefixes they may have one name", one, two)
	}
	b.done(b.note(far, "sns", file("in/a", "1", "t", noon)), noon, 1)
	third := plan(at, 10)
	if third.Place != `S3 "" bucket-far` {
		t.Fatalf("third %+v", third)
	}
	for _, c := range []struct {
		q    catalog.ReportQuery
		want []int64
	}{
		{catalog.ReportQuery{}, []int64{third.ID, two.ID, one.ID, second.ID, r.ID}},
		{catalog.ReportQuery{Limit: 1, BeforeID: one.ID}, []int64{second.ID}},
		{catalog.ReportQuery{State: stream.ReportDone}, []int64{two.ID, one.ID, r.ID}},
		{catalog.ReportQuery{State: stream.ReportPlanned, Limit: 1}, []int64{third.ID}},
		{catalog.ReportQuery{Place: r.Place, StatusPrefix: "status"}, []int64{one.ID, second.ID, r.ID}},
		{catalog.ReportQuery{Place: r.Place, StatusPrefix: "s"}, nil},
	} {
		var got []int64
		for _, r := range must(b.db.Reports(ctx, c.q))(t) {
			got = append(got, r.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
}

// testImportMachine: whatever happens in whatever order, a version of a file
// is one import, and the entries of each import that is done are in one report.
func testImportMachine(t *testing.T, b *bench) {
	run := 0
	i := b.importer("fme")
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &importMachine{b: b, run: run, now: noon.Add(time.Duration(run) * 24 * time.Hour), files: map[int64]*trackedFile{}}
		m.i = i
		m.i.ID, m.i.Name, m.i.Token = fmt.Sprintf("m%d", run), fmt.Sprintf("m%d", run), fmt.Sprintf("m%d", run)
		m.i.StatusPrefix = m.i.Name
		ok(r, b.db.CreateImporter(t.Context(), m.i))
		r.Repeat(map[string]func(*rapid.T){
			"":            m.check,
			"notice":      m.notice,
			"begin":       m.begin,
			"wait":        m.wait,
			"finish":      m.finish,
			"report":      m.report,
			"reported":    m.reported,
			"pause":       m.pause,
			"delete":      m.delete,
			"close, open": func(*rapid.T) { m.b.reopen() },
			"time":        func(r *rapid.T) { m.now = m.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(r, "s")) * time.Second) },
		})
		// Nothing of one run waits in the next.
		_, _, err := b.db.DeleteSink(t.Context(), "fme", true)
		ok(r, err)
		_, _, err = b.db.PutSink(t.Context(), stream.Sink{Name: "fme", Type: stream.SinkS3, Bucket: "bucket-fme"})
		ok(r, err)
	})
}

type trackedFile struct {
	state    stream.ImportState
	next     time.Time
	doneAt   time.Time
	entries  int
	reportID int64
}

type importMachine struct {
	b       *bench
	run     int
	i       stream.Importer
	now     time.Time
	paused  bool
	deleted bool
	names   []string
	files   map[int64]*trackedFile
	open    *stream.Report
}

func (m *importMachine) notice(r *rapid.T) {
	var files []notice.File
	fresh := map[string]bool{}
	for range rapid.IntRange(1, 3).Draw(r, "files") {
		key, version := rapid.SampledFrom([]string{"a", "b"}).Draw(r, "key"), rapid.IntRange(1, 9).Draw(r, "version")
		files = append(files, file(key, fmt.Sprint(version), "t", noon))
		if name := fmt.Sprint(key, version); !slices.Contains(m.names, name) {
			fresh[name] = true
		}
	}
	n, err := m.b.db.Noticed(m.b.t.Context(), m.i.ID, "sns", m.now, files)
	if m.deleted {
		wantKind(r, err, problem.NotFound)
		return
	}
	if ok(r, err); n != len(fresh) {
		r.Fatalf("%d new, want %d", n, len(fresh))
	}
	for name := range fresh {
		m.names = append(m.names, name)
	}
	for _, f := range must(m.b.db.Imports(m.b.t.Context(), catalog.ImportQuery{ImporterID: m.i.ID, Limit: n}))(r)[:n] {
		m.files[f.ID] = &trackedFile{state: stream.ImportNoticed}
	}
}

// pick draws a file, by an order that does not depend on the map's.
func (m *importMachine) pick(r *rapid.T, which func(*trackedFile) bool) (int64, *trackedFile) {
	var ids []int64
	for id, f := range m.files {
		if which(f) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		r.Skip("no such file")
	}
	slices.Sort(ids)
	id := ids[rapid.IntRange(0, len(ids)-1).Draw(r, "file")]
	return id, m.files[id]
}

func (m *importMachine) save(r *rapid.T, id int64, f *trackedFile, next time.Time) {
	i := must(m.b.db.Import(m.b.t.Context(), id))(r)
	i.State, i.NextTryAt = stream.ImportRunning, next
	err := m.b.db.SaveImport(m.b.t.Context(), i)
	if f.state == stream.ImportDone {
		wantKind(r, err, problem.Conflict)
		return
	}
	ok(r, err)
	f.state, f.next = stream.ImportRunning, next
}

func (m *importMachine) begin(r *rapid.T) {
	id, f := m.pick(r, func(*trackedFile) bool { return true })
	m.save(r, id, f, time.Time{})
}

func (m *importMachine) wait(r *rapid.T) {
	id, f := m.pick(r, func(*trackedFile) bool { return true })
	m.save(r, id, f, m.now.Add(time.Duration(rapid.IntRange(-1, 100).Draw(r, "s"))*time.Second))
}

func (m *importMachine) finish(r *rapid.T) {
	id, f := m.pick(r, func(*trackedFile) bool { return true })
	n := rapid.IntRange(0, 3).Draw(r, "entries")
	i := must(m.b.db.Import(m.b.t.Context(), id))(r)
	i.DoneAt = m.now
	ok(r, m.b.db.FinishImport(m.b.t.Context(), i, entries(id, n)))
	if f.state != stream.ImportDone {
		*f = trackedFile{state: stream.ImportDone, doneAt: m.now, entries: n}
	}
}

// unreported returns the files that a report may take, oldest first.
func (m *importMachine) unreported() []int64 {
	var ids []int64
	for id, f := range m.files {
		if f.state == stream.ImportDone && f.entries > 0 && f.reportID == 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b int64) int {
		if c := m.files[a].doneAt.Compare(m.files[b].doneAt); c != 0 {
			return c
		}
		return int(a - b)
	})
	return ids
}

func (m *importMachine) report(r *rapid.T) {
	most := rapid.IntRange(1, 3).Draw(r, "files")
	wait := m.unreported()
	got, planned, err := m.b.db.PlanReport(m.b.t.Context(), m.now, most)
	ok(r, err)
	want := m.open == nil && len(wait) > 0 && !m.files[wait[0]].doneAt.Add(m.i.ReportEvery).After(m.now)
	if planned != want {
		r.Fatalf("planned %v, want %v", planned, want)
	}
	if !planned {
		return
	}
	for _, id := range wait[:min(len(wait), most)] {
		m.files[id].reportID = got.ID
	}
	m.open = &got
}

func (m *importMachine) reported(r *rapid.T) {
	if m.open == nil {
		r.Skip("no report")
	}
	m.open.State = stream.ReportDone
	ok(r, m.b.db.SaveReport(m.b.t.Context(), *m.open))
	m.open = nil
}

func (m *importMachine) pause(r *rapid.T) {
	m.i.Paused = !m.paused
	err := m.b.db.UpdateImporter(m.b.t.Context(), m.i)
	if m.deleted {
		wantKind(r, err, problem.NotFound)
		return
	}
	ok(r, err)
	m.paused = m.i.Paused
	for _, f := range m.files {
		f.next = time.Time{} // what waits is tried at once
	}
}

func (m *importMachine) delete(r *rapid.T) {
	if m.deleted || rapid.IntRange(0, 4).Draw(r, "seldom") > 0 {
		r.Skip("not now")
	}
	ok(r, m.b.db.DeleteImporter(m.b.t.Context(), m.i.ID))
	m.deleted = true
}

// check compares the database with what is known.
func (m *importMachine) check(r *rapid.T) {
	ctx := m.b.t.Context()
	var want []int64
	var next time.Time
	open, done := 0, int64(0)
	for id, f := range m.files {
		if f.state == stream.ImportDone {
			done++
		} else if open++; f.next.After(m.now) {
			if next.IsZero() || f.next.Before(next) {
				next = f.next
			}
		} else {
			want = append(want, id)
		}
		for _, e := range must(m.b.db.Entries(ctx, id))(r) {
			if e.ReportID != f.reportID {
				r.Fatalf("import %d is in report %d, want %d", id, e.ReportID, f.reportID)
			}
		}
	}
	slices.Sort(want)
	if m.paused && !m.deleted {
		want, next = nil, time.Time{}
	}
	due, at, err := m.b.db.DueImports(ctx, "", m.now, 100)
	ok(r, err)
	var got []int64
	for _, f := range due {
		got = append(got, f.ID)
	}
	if !slices.Equal(got, want) || !at.Equal(next) {
		r.Fatalf("due %v at %v, next %v; want %v, %v", got, m.now, at, want, next)
	}
	sum := must(m.b.db.ImporterTotals(ctx, m.i.ID))(r)
	if sum.Files != done || sum.Open != int64(open) || sum.Unreported != int64(len(m.unreported())) {
		r.Fatalf("totals %+v of %d files", sum, len(m.files))
	}
	if dead := must(m.b.db.DeletedImporters(ctx))(r); len(dead) != 0 != (m.deleted && open > 0) {
		r.Fatalf("deleted importers with files to do: %+v", dead)
	}
	m.checkReports(r)
}

func (m *importMachine) checkReports(r *rapid.T) {
	ctx := m.b.t.Context()
	var next time.Time
	if wait := m.unreported(); len(wait) > 0 && m.open == nil {
		next = m.files[wait[0]].doneAt.Add(m.i.ReportEvery)
	}
	if got := must(m.b.db.NextReport(ctx))(r); !got.Equal(next) {
		r.Fatalf("next report at %v, want %v", got, next)
	}
	if m.open == nil {
		return
	}
	in := map[int64]int{}
	for _, e := range must(m.b.db.ReportEntries(ctx, m.open.ID))(r) {
		in[e.Entry.ImportID]++
	}
	for id, f := range m.files {
		if n := in[id]; f.reportID == m.open.ID && n != f.entries || f.reportID != m.open.ID && n != 0 {
			r.Fatalf("%d entries of import %d in report %d, want %+v", n, id, m.open.ID, f)
		}
	}
}
