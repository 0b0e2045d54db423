package catalogtest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

func someImporter(name string) stream.Importer {
	return stream.Importer{ID: "i-" + name, Name: name, Stream: name, StreamID: "id-" + name, Sink: name, Environments: []string{"e1", "e2"},
		Prefix: "in/", Suffixes: []string{".parquet", ".parquet.gz"}, StatusPrefix: "status", TopicARN: "arn:aws:sns:eu-west-1:1:t",
		QueueURL: "https://sqs/q", Token: "token-" + name, ListEvery: 15 * time.Minute, ReportEvery: 5 * time.Minute, FromStart: true,
		CreatedAt: noon, UpdatedAt: noon}
}

// importer makes a stream, a sink, an exporter and an importer, all called name.
func (b *bench) importer(name string) stream.Importer {
	b.t.Helper()
	b.plain(name, 1)
	i := someImporter(name)
	ok(b.t, b.db.CreateImporter(b.t.Context(), i))
	return i
}

func file(key, version, etag string, at time.Time) notice.File {
	return notice.File{Bucket: "b", Key: key, VersionID: version, ETag: etag, Size: 7, At: at}
}

// note records files and returns the newest import.
func (b *bench) note(i stream.Importer, via string, files ...notice.File) stream.Import {
	b.t.Helper()
	if n := must(b.db.Noticed(b.t.Context(), i.ID, via, noon, files))(b.t); n != len(files) {
		b.t.Fatalf("%d files of %d are new", n, len(files))
	}
	return must(b.db.Imports(b.t.Context(), catalog.ImportQuery{ImporterID: i.ID, Limit: 1}))(b.t)[0]
}

func entries(of int64, n int) []stream.StatusEntry {
	var out []stream.StatusEntry
	for e := range n {
		out = append(out, stream.StatusEntry{ImportID: of, EntryID: e + 1, Valid: e == 0, Rows: int64(e + 3)})
	}
	return out
}

func (b *bench) done(i stream.Import, at time.Time, n int) {
	b.t.Helper()
	i.DoneAt, i.Rows, i.Accepted = at, 10, 9
	ok(b.t, b.db.FinishImport(b.t.Context(), i, entries(i.ID, n)))
}

func testNoticed(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	at := noon.Add(400 * time.Millisecond)
	files := []notice.File{file("in/a", "v1", "t1", at), file("in/a", "v2", "t1", at), file("in/a", "v1", "t1", at), file("in/b", "", "t1", at)}
	if n := must(b.db.Noticed(ctx, i.ID, "sns", at, files))(t); n != 3 {
		t.Fatalf("%d new, want 3: the same version twice is one", n)
	}
	for range 2 {
		if n := must(b.db.Noticed(ctx, i.ID, "sqs", noon, files))(t); n != 0 {
			t.Fatalf("%d new the second time", n)
		}
	}
	if got := must(b.db.Importer(ctx, "fme"))(t); !got.NoticedAt.Equal(at) {
		t.Errorf("noticed at %v, want %v: it never goes back", got.NoticedAt, at)
	}
	second := noon.Truncate(time.Second)
	for name, c := range map[string]struct {
		f    notice.File
		want int
	}{
		"listed, of a version that is known":            {file("in/a", "", "t1", second), 0},
		"the version id null, where there is none":      {file("in/b", "null", "t1", at.Add(time.Hour)), 0},
		"noticed with a version after a notice without": {file("in/b", "v9", "t1", second), 0},
		"another ETag":                   {file("in/a", "", "t2", second), 1},
		"another key":                    {file("in/A", "", "t1", second), 1},
		"another version, the same else": {file("in/a", "v3", "t1", at), 1},
		"another second":                 {file("in/a", "", "t1", second.Add(time.Second)), 1},
	} {
		if n := must(b.db.Noticed(ctx, i.ID, "list", noon.Add(time.Hour), []notice.File{c.f}))(t); n != c.want {
			t.Errorf("%s: %d new, want %d", name, n, c.want)
		}
	}
	if got := must(b.db.Importer(ctx, "fme"))(t); !got.NoticedAt.Equal(at) {
		t.Errorf("noticed at %v: a listing is no notice", got.NoticedAt)
	}
	// Another importer of the same files has imports of its own.
	other := someImporter("fme")
	other.ID, other.Name, other.Token = "i-o", "other", "token-o"
	ok(t, b.db.CreateImporter(ctx, other))
	if n := must(b.db.Noticed(ctx, other.ID, "sns", at, files))(t); n != 3 {
		t.Fatalf("%d new of the other, want 3", n)
	}
	got := must(b.db.UnknownFiles(ctx, i.ID, []notice.File{
		file("in/a", "", "t1", second), file("in/a", "v1", "", time.Time{}), file("in/b", "v10", "t1", second),
		file("in/c", "", "t1", second), file("in/a", "v8", "t1", second.Add(-time.Second))}))(t)
	if len(got) != 2 || got[0].Key != "in/c" || got[1].VersionID != "v8" {
		t.Errorf("unknown %+v", got)
	}
	first := must(b.db.Import(ctx, 1))(t)
	want := stream.Import{ID: 1, ImporterID: i.ID, Importer: "fme", StreamID: "id-fme", Place: `S3 "" bucket-fme`, Key: "in/a", Version: "v:v1",
		ETag: "t1", Size: 7, ObjectAt: at, Via: "sns", NoticedAt: at, State: stream.ImportNoticed}
	if !reflect.DeepEqual(first, want) {
		t.Errorf("import %+v, want %+v", first, want)
	}
	_, err := b.db.Noticed(ctx, "nope", "sns", noon, nil)
	wantKind(t, err, problem.NotFound)
	_, err = b.db.Import(ctx, 999)
	wantKind(t, err, problem.NotFound)
}

// testEntryNumbers: readers of reports know an entry by file name, time in
// milliseconds and number, whichever importer it is of.
func testEntryNumbers(t *testing.T, b *bench) {
	ctx := t.Context()
	noon := noon.Truncate(time.Millisecond)
	i := b.importer("fme")
	twin := someImporter("fme")
	twin.ID, twin.Name, twin.Token = "i-twin", "twin", "token-twin"
	ok(t, b.db.CreateImporter(ctx, twin))
	elsewhere := b.importer("elsewhere")
	for n, c := range []struct {
		of   stream.Importer
		key  string
		at   time.Time
		want int // first number
	}{
		{i, "in/a", noon.Add(5 * time.Microsecond), 1},
		{twin, "in/a", noon.Add(999 * time.Microsecond), 4},
		{twin, "in/b", noon, 1},
		{twin, "in/a", noon.Add(time.Millisecond), 1},
		{twin, "in/a", noon.Add(-time.Microsecond), 1},
		{elsewhere, "in/a", noon, 1},
		{i, "in/a", noon, 7},
	} {
		f := b.note(c.of, "sns", file(c.key, fmt.Sprint("v", n), fmt.Sprint("t", n), c.at))
		for range 2 {
			b.done(f, noon, 3)
		}
		var got []int
		for _, e := range must(b.db.Entries(ctx, f.ID))(t) {
			got = append(got, e.EntryID)
		}
		if !slices.Equal(got, []int{c.want, c.want + 1, c.want + 2}) {
			t.Errorf("%s %s at %v: entries %v, want them from %d on", c.of.Name, c.key, c.at, got, c.want)
		}
	}
}

func testImport(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	f := b.note(i, "sqs", file("in/a", "v1", "t", noon))
	f.State, f.Environments, f.Partition, f.Attempts, f.Problem = stream.ImportRunning, []string{"e1"}, 1, 2, "403"
	f.NextTryAt, f.StartedAt = noon.Add(time.Minute), noon
	for range 2 {
		ok(t, b.db.SaveImport(ctx, f))
	}
	b.reopen()
	if got := must(b.db.Import(ctx, f.ID))(t); !reflect.DeepEqual(got, f) {
		t.Fatalf("import %+v, want %+v", got, f)
	}
	// An attempt begins from how the import stands, not from how it stood.
	begun := f
	begun.Attempts, begun.Problem = 3, ""
	for _, want := range []bool{true, false} {
		if got := must(b.db.BeginImport(ctx, begun))(t); got != want {
			t.Fatalf("begun: %t, want %t", got, want)
		}
	}
	stale := f
	stale.Attempts, stale.Environments = 1, nil
	if must(b.db.BeginImport(ctx, stale))(t) {
		t.Fatal("begun from a copy that is out of date")
	}
	if got := must(b.db.Import(ctx, f.ID))(t); !reflect.DeepEqual(got, begun) {
		t.Fatalf("import %+v, want %+v", got, begun)
	}
	wantKind(t, b.db.SaveImport(ctx, f), problem.Conflict) // of an attempt before the newest
	wantKind(t, b.db.FinishImport(ctx, f, nil), problem.Conflict)
	if got := must(b.db.Import(ctx, f.ID))(t); !reflect.DeepEqual(got, begun) {
		t.Fatalf("refused, but %+v", got)
	}
	f.Attempts = 3
	ok(t, b.db.SaveImport(ctx, f))
	back := f
	back.State = stream.ImportNoticed
	wantKind(t, b.db.SaveImport(ctx, back), problem.Internal)
	back.State = stream.ImportDone
	wantKind(t, b.db.SaveImport(ctx, back), problem.Internal)
	back.ID, back.State = 99, stream.ImportRunning
	wantKind(t, b.db.SaveImport(ctx, back), problem.NotFound)
	wantKind(t, b.db.FinishImport(ctx, back, nil), problem.NotFound)

	all := []stream.StatusEntry{
		{ImportID: f.ID, EntryID: 1, Valid: true, Rows: 90},
		{ImportID: f.ID, EntryID: 2, Rows: 10, Errors: []stream.RowError{stream.ErrEnvironment, stream.ErrTimestamp}, Details: []string{"no 'e9' é", "seconds"}, Warnings: []string{"w"}},
	}
	for _, bad := range [][]stream.StatusEntry{{all[0], all[0]}, {{ImportID: 5, EntryID: 1}}, {{ImportID: f.ID}}} {
		wantKind(t, b.db.FinishImport(ctx, f, bad), problem.Internal)
		if got := must(b.db.Import(ctx, f.ID))(t); got.State != stream.ImportRunning {
			t.Fatalf("refused, but %+v", got)
		}
	}
	f.Rows, f.Accepted, f.DoneAt = 100, 90, noon.Add(time.Hour)
	ok(t, b.db.FinishImport(ctx, f, all))
	later := f
	later.Rows, later.DoneAt = 7, noon.Add(2*time.Hour)
	ok(t, b.db.FinishImport(ctx, later, all[:1])) // the answer was lost
	wantKind(t, b.db.SaveImport(ctx, f), problem.Conflict)
	_, err := b.db.BeginImport(ctx, f)
	wantKind(t, err, problem.Conflict)
	b.reopen()
	f.State, f.Problem, f.NextTryAt = stream.ImportDone, "", time.Time{}
	if got := must(b.db.Import(ctx, f.ID))(t); !reflect.DeepEqual(got, f) {
		t.Fatalf("import %+v, want %+v", got, f)
	}
	if got := must(b.db.Entries(ctx, f.ID))(t); !reflect.DeepEqual(got, all) {
		t.Fatalf("entries %+v, want %+v", got, all)
	}
	want := catalog.ImporterTotals{Files: 1, Rows: 100, Accepted: 90, LastDoneAt: f.DoneAt, Unreported: 1}
	if got := must(b.db.ImporterTotals(ctx, i.ID))(t); got != want {
		t.Fatalf("totals %+v, want %+v", got, want)
	}
	_, err = b.db.ImporterTotals(ctx, "nope")
	wantKind(t, err, problem.NotFound)
	// A file without rows has nothing to report.
	b.done(b.note(i, "list", file("in/empty", "", "t", noon)), noon, 0)
	b.note(i, "list", file("in/b", "", "t", noon))
	if got := must(b.db.ImporterTotals(ctx, i.ID))(t); got.Files != 2 || got.Unreported != 1 || got.Open != 1 || !got.LastDoneAt.Equal(f.DoneAt) {
		t.Fatalf("totals %+v", got)
	}
}

func testDueImports(t *testing.T, b *bench) {
	ctx := t.Context()
	i := b.importer("fme")
	other := b.importer("other")
	for n := range 6 {
		b.note([]stream.Importer{i, other}[n%2], "sns", file(fmt.Sprintf("in/%d", n), "", "t", noon))
	}
	wait := func(id int64, at time.Time) {
		t.Helper()
		f := must(b.db.Import(ctx, id))(t)
		f.State, f.NextTryAt = stream.ImportRunning, at
		ok(t, b.db.SaveImport(ctx, f))
	}
	check := func(limit int, next time.Time, want ...int64) {
		t.Helper()
		due, at, err := b.db.DueImports(ctx, "", noon, limit)
		ok(t, err)
		var got []int64
		for _, f := range due {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, want) || !at.Equal(next) {
			t.Fatalf("due %v, next at %v; want %v, %v", got, at, want, next)
		}
	}
	check(10, time.Time{}, 1, 2, 3, 4, 5, 6)
	check(2, time.Time{}, 1, 2)
	wait(1, noon)
	wait(2, noon.Add(time.Hour))
	wait(3, noon.Add(time.Minute))
	wait(6, time.Time{})
	check(10, noon.Add(time.Minute), 1, 4, 5, 6)
	i.Paused = true
	ok(t, b.db.UpdateImporter(ctx, i))
	check(10, noon.Add(time.Hour), 4, 6)
	i.Paused = false // and what waits is tried at once
	ok(t, b.db.UpdateImporter(ctx, i))
	check(10, noon.Add(time.Hour), 1, 3, 4, 5, 6)
	wait(3, noon.Add(time.Minute))
	ok(t, b.db.DeleteImporter(ctx, i.ID))
	check(10, noon.Add(time.Minute), 1, 4, 5, 6)
	b.done(must(b.db.Import(ctx, 4))(t), noon, 1)
	check(1, noon.Add(time.Minute), 1)
	check(0, noon.Add(time.Minute))
}

func testImportPages(t *testing.T, b *bench) {
	ctx := t.Context()
	i, other := b.importer("fme"), b.importer("other")
	for n := range 12 {
		f := b.note([]stream.Importer{i, other}[n%2], "sns", file(fmt.Sprintf("in/%c/%d", 'a'+n%3, n), "", "t", noon))
		if n < 6 {
			b.done(f, noon, 1)
		}
	}
	ok(t, b.db.DeleteImporter(ctx, other.ID))
	for _, c := range []struct {
		q    catalog.ImportQuery
		want []int64
	}{
		{catalog.ImportQuery{Limit: 3}, []int64{12, 11, 10}},
		{catalog.ImportQuery{Limit: 3, BeforeID: 8}, []int64{7, 6, 5}},
		{catalog.ImportQuery{ImporterID: other.ID, BeforeID: 9, Limit: 2}, []int64{8, 6}},
		{catalog.ImportQuery{State: stream.ImportDone}, []int64{6, 5, 4, 3, 2, 1}},
		{catalog.ImportQuery{State: stream.ImportNoticed, ImporterID: i.ID}, []int64{11, 9, 7}},
		{catalog.ImportQuery{State: "odd"}, nil},
		{catalog.ImportQuery{ImporterID: "odd"}, nil},
		{catalog.ImportQuery{KeyPrefix: "in/b"}, []int64{11, 8, 5, 2}},
		{catalog.ImportQuery{KeyPrefix: "in/b/", Limit: 2, BeforeID: 11}, []int64{8, 5}},
		{catalog.ImportQuery{KeyPrefix: "in/b/", State: stream.ImportDone, ImporterID: other.ID}, []int64{2}},
		{catalog.ImportQuery{KeyPrefix: "in/%"}, nil},
	} {
		var got []int64
		for _, f := range must(b.db.Imports(ctx, c.q))(t) {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.q, got, c.want)
		}
	}
}
