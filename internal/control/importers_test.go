package control_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:fme"

func newImporter(change func(*control.NewImporter)) control.NewImporter {
	n := control.NewImporter{Name: "fme", Environments: []string{"e1"}, Prefix: "events/", StatusPrefix: "my_statuses"}
	if change != nil {
		change(&n)
	}
	return n
}

func mustImporter(t *testing.T, w *controltest.World, change func(*control.NewImporter)) control.Importer {
	t.Helper()
	x, _, err := w.CreateImporter(t.Context(), newImporter(change))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// waking counts how often the importers are told to look at the catalog.
func waking(t *testing.T) (*controltest.World, *int) {
	w := controltest.New(t)
	n := new(int)
	w.Deps.WakeImporters = func() { *n++ }
	w.With(control.Options{NoticeURL: "https://strm.example.org/notices/"})
	return w, n
}

func TestCreateImporter(t *testing.T) {
	w, woken := waking(t)
	mustSink(t, w, "s3")
	*woken = 0
	x, made, err := w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.TopicARN, n.StatusPrefix, n.FromStart = topic, "my_statuses/", true }))
	if err != nil {
		t.Fatal(err)
	}
	if !made || x.Stream != "fme" || x.Sink != "s3" || x.StatusPrefix != "my_statuses" || !slices.Equal(x.Suffixes, control.DefaultSuffixes()) ||
		x.ListEvery != 15*time.Minute || x.ReportEvery != 5*time.Minute || len(x.ID) != 8 || len(x.Token) < 32 || !x.FromStart || *woken != 1 {
		t.Errorf("created %+v, %v, woken %d", x, made, *woken)
	}
	if x.Endpoint != "https://strm.example.org/notices/"+x.Token {
		t.Errorf("endpoint %s", x.Endpoint)
	}
	s, _, err := w.Stream(t.Context(), "fme")
	if err != nil || s.StrmMeta || s.Partitions != 1 {
		t.Errorf("stream %+v, %v", s, err)
	}
	second := mustImporter(t, w, func(n *control.NewImporter) { n.Name, n.Stream = "other", "fme" })
	if second.ID == x.ID || second.Token == x.Token || second.Endpoint != "" {
		t.Errorf("the second %+v", second)
	}
	_, _, err = w.CreateImporter(t.Context(), newImporter(nil))
	wantKind(t, err, problem.Conflict, "exists already")
	for of, want := range map[string]int{"": 2, "fme": 2} {
		if all, err := w.Importers(t.Context(), of); err != nil || len(all) != want {
			t.Errorf("importers of %q: %d, %v", of, len(all), err)
		}
	}
	_, err = w.Importers(t.Context(), "nope")
	wantKind(t, err, problem.NotFound, "nope")
}

func TestImporterRefusals(t *testing.T) {
	w := controltest.New(t)
	mustSink(t, w, "s3")
	if _, _, _, err := w.PutSink(t.Context(), control.NewSink{Name: "disk", Type: "DIR", Bucket: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*control.NewImporter)
		says   string
	}{
		"name":                {func(n *control.NewImporter) { n.Name = "a/b" }, "batch importer name"},
		"no environment":      {func(n *control.NewImporter) { n.Environments = nil }, "--environment"},
		"empty environment":   {func(n *control.NewImporter) { n.Environments = []string{""} }, "environment id"},
		"environment twice":   {func(n *control.NewImporter) { n.Environments = []string{"a", "b", "a"} }, "twice"},
		"a directory":         {func(n *control.NewImporter) { n.Sink = "disk" }, "reads S3 buckets"},
		"prefix with slash":   {func(n *control.NewImporter) { n.Prefix = "/events/" }, `write "events/"`},
		"prefix with star":    {func(n *control.NewImporter) { n.Prefix = "events/*" }, "no wildcards"},
		"suffix with star":    {func(n *control.NewImporter) { n.Suffixes = []string{"*.parquet.gz"} }, "such as .parquet.gz"},
		"empty suffix":        {func(n *control.NewImporter) { n.Suffixes = []string{""} }, "suffix"},
		"no status folder":    {func(n *control.NewImporter) { n.StatusPrefix = "" }, "--status-folder"},
		"root status folder":  {func(n *control.NewImporter) { n.StatusPrefix = "/" }, "--status-folder"},
		"odd status folder":   {func(n *control.NewImporter) { n.StatusPrefix = "a//b" }, "status folder"},
		"files in the folder": {func(n *control.NewImporter) { n.Prefix, n.StatusPrefix = "fme/events/", "fme" }, "lie in the status folder"},
		"topic":               {func(n *control.NewImporter) { n.TopicARN = "fme-events" }, "such as arn:aws:sns"},
		"topic of a queue":    {func(n *control.NewImporter) { n.TopicARN = "arn:aws:sqs:eu-west-1:123456789012:q" }, "not the ARN of an SNS topic"},
		"FIFO topic":          {func(n *control.NewImporter) { n.TopicARN = topic + ".fifo" }, "standard ones only"},
		"queue":               {func(n *control.NewImporter) { n.QueueURL = "fme" }, "such as https://sqs"},
		"queue by ARN":        {func(n *control.NewImporter) { n.QueueURL = "arn:aws:sqs:eu-west-1:123456789012:q" }, "such as https://sqs"},
		"queue with password": {func(n *control.NewImporter) { n.QueueURL = "https://u:p@sqs.eu-west-1.amazonaws.com/1/q" }, "no user"},
		"queue by http":       {func(n *control.NewImporter) { n.QueueURL = "http://sqs.eu-west-1.amazonaws.com/1/q" }, "https only"},
		"FIFO queue":          {func(n *control.NewImporter) { n.QueueURL = "https://sqs.eu-west-1.amazonaws.com/1/q.fifo" }, "standard ones only"},
		"listing":             {func(n *control.NewImporter) { n.ListEvery = time.Second }, "listing interval"},
		"rare listing":        {func(n *control.NewImporter) { n.ListEvery = 25 * time.Hour }, "listing interval"},
		"report":              {func(n *control.NewImporter) { n.ReportEvery = 2 * time.Hour }, "report interval"},
	} {
		_, _, err := w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.Sink = "s3"; c.change(n) }))
		if err == nil || problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	_, _, err := w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.Sink = "nope" }))
	wantKind(t, err, problem.NotFound, "nope")
	if all, err := w.Streams(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a refused creation made the stream: %+v, %v", all, err)
	}
	// What only looks odd.
	mustImporter(t, w, func(n *control.NewImporter) { n.Sink, n.Prefix, n.StatusPrefix = "s3", "", "status" })
	mustImporter(t, w, func(n *control.NewImporter) { n.Sink, n.Name, n.Prefix, n.StatusPrefix = "s3", "x", "fmex/", "fme" })
	w.With(control.Options{AllowShortIntervals: true})
	mustImporter(t, w, func(n *control.NewImporter) {
		n.Sink, n.Name, n.ListEvery, n.ReportEvery = "s3", "y", time.Second, time.Second
	})
}

// Events of files have no strmMeta and are no raw log: the stream must fit, and stay so.
func TestImporterStreams(t *testing.T) {
	w := controltest.New(t)
	mustSink(t, w, "s3")
	mustStream(t, w, "meta", 1)
	if _, err := w.CreateSource(t.Context(), control.NewSource{Name: "web", Kind: "segment"}); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.Stream = "meta" }))
	wantKind(t, err, problem.Conflict, "--strm-meta=false")
	_, _, err = w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.Stream = "web" }))
	wantKind(t, err, problem.Conflict, "kind segment")

	mustImporter(t, w, nil)
	on := true
	_, err = w.UpdateStream(t.Context(), "fme", control.StreamChange{StrmMeta: &on})
	wantKind(t, err, problem.Conflict, `batch importer "fme"`)
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "app", Kind: "segment", Stream: "fme"})
	wantKind(t, err, problem.Conflict, `batch importer "fme"`)
	if _, err := w.CreateSource(t.Context(), control.NewSource{Name: "plain", Stream: "fme"}); err != nil {
		t.Errorf("events beside imported ones: %v", err)
	}
	_, err = w.DeleteStream(t.Context(), "fme", false)
	wantKind(t, err, problem.Conflict, "importers linked to it")
	if _, err := w.DeleteStream(t.Context(), "fme", true); err != nil {
		t.Fatal(err)
	}
	_, err = w.Importer(t.Context(), "fme")
	wantKind(t, err, problem.NotFound, "fme")
}

func TestUpdateImporter(t *testing.T) {
	w, woken := waking(t)
	mustSink(t, w, "s3")
	x := mustImporter(t, w, nil)
	*woken = 0
	arn, folder, every := topic, "status/", time.Hour
	got, err := w.UpdateImporter(t.Context(), "fme", control.ImporterChange{TopicARN: &arn, StatusPrefix: &folder, ListEvery: &every, Environments: []string{"e2"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.TopicARN != arn || got.StatusPrefix != "status" || got.ListEvery != every || got.Environments[0] != "e2" || got.Token != x.Token || got.Prefix != x.Prefix || *woken != 1 {
		t.Errorf("changed %+v, woken %d", got, *woken)
	}
	_, err = w.UpdateImporter(t.Context(), "fme", control.ImporterChange{Environments: []string{}})
	wantKind(t, err, problem.Invalid, "--environment")
	bad := "events/status"
	folder = "events"
	_, err = w.UpdateImporter(t.Context(), "fme", control.ImporterChange{StatusPrefix: &folder})
	wantKind(t, err, problem.Invalid, "lie in the status folder")
	_, err = w.UpdateImporter(t.Context(), "fme", control.ImporterChange{Sink: &bad})
	wantKind(t, err, problem.NotFound, "")
	_, err = w.UpdateImporter(t.Context(), "nope", control.ImporterChange{})
	wantKind(t, err, problem.NotFound, "nope")
	if got, err = w.PauseImporter(t.Context(), "fme"); err != nil || !got.Paused {
		t.Errorf("paused %+v, %v", got, err)
	}
	if got, err = w.ResumeImporter(t.Context(), "fme"); err != nil || got.Paused {
		t.Errorf("resumed %+v, %v", got, err)
	}
}

// A lost answer is settled by a look; a lost request leaves what was, and doing it again works.
func TestImporterWritesThatFail(t *testing.T) {
	w, woken := waking(t)
	mustSink(t, w, "s3")
	w.Faults.LoseAnswer("CreateImporter")
	x := mustImporter(t, w, nil)
	w.Faults.Clear()
	w.Faults.LoseRequest("CreateImporter")
	_, made, err := w.CreateImporter(t.Context(), newImporter(func(n *control.NewImporter) { n.Name = "second" }))
	wantInjected(t, err)
	if !made {
		t.Error("its stream is there and nobody is told")
	}
	w.Faults.Clear()
	if second := mustImporter(t, w, func(n *control.NewImporter) { n.Name = "second" }); second.Stream != "second" {
		t.Errorf("again %+v", second)
	}
	w.Faults.LoseAnswer("UpdateImporter")
	*woken = 0
	_, err = w.PauseImporter(t.Context(), "fme")
	wantInjected(t, err)
	if got, err := w.Importer(t.Context(), "fme"); err != nil || !got.Paused || got.ID != x.ID || *woken != 1 {
		t.Errorf("%+v, %v, woken %d", got, err, *woken)
	}
	w.Faults.Clear()
	w.Faults.LoseRequest("DeleteImporter")
	wantInjected(t, w.DeleteImporter(t.Context(), "fme"))
	if _, err := w.Importer(t.Context(), "fme"); err != nil {
		t.Error(err)
	}
	w.Faults.Clear()
	w.Faults.LoseAnswer("DeleteImporter")
	if err := w.DeleteImporter(t.Context(), "fme"); err != nil {
		t.Errorf("deleted, and told %v", err)
	}
	w.Faults.Clear()
	wantKind(t, w.DeleteImporter(t.Context(), "fme"), problem.NotFound, "fme")
}

func TestImports(t *testing.T) {
	w, woken := waking(t)
	mustSink(t, w, "s3")
	x := mustImporter(t, w, nil)
	ctx := t.Context()
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	if _, err := w.DB.Noticed(ctx, x.ID, "sns", at, []notice.File{{Key: "events/a", ETag: "1", At: at}, {Key: "events/b", ETag: "1", At: at}}); err != nil {
		t.Fatal(err)
	}
	p, err := w.Imports(ctx, control.ImportFilter{Importer: "fme", Limit: 1})
	if err != nil || len(p.Imports) != 1 || p.Next != 2 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = w.Imports(ctx, control.ImportFilter{Before: p.Next, Limit: 1}); err != nil || len(p.Imports) != 1 || p.Next != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, bad := range []control.ImportFilter{{Limit: -1}, {Limit: 1001}, {Before: -1}, {State: "lost"}} {
		_, err := w.Imports(ctx, bad)
		wantKind(t, err, problem.Invalid, "")
	}
	_, err = w.Imports(ctx, control.ImportFilter{Importer: "nope"})
	wantKind(t, err, problem.NotFound, "nope")

	i := p.Imports[0]
	i.DoneAt = at
	if err := w.DB.FinishImport(ctx, i, []stream.StatusEntry{{ImportID: i.ID, EntryID: 1, Valid: true, Rows: 1}}); err != nil {
		t.Fatal(err)
	}
	d, err := w.Import(ctx, i.ID)
	if err != nil || len(d.Entries) != 1 || d.Report != nil {
		t.Fatalf("%+v, %v", d, err)
	}
	r, _, err := w.DB.PlanReport(ctx, at.Add(time.Hour), 10)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = w.Import(ctx, i.ID); err != nil || d.Report == nil || d.Report.ID != r.ID {
		t.Fatalf("%+v, %v", d, err)
	}
	_, err = w.Import(ctx, 99)
	wantKind(t, err, problem.NotFound, "99")

	wantKind(t, w.DeleteSink(ctx, "s3", false), problem.Conflict, "importers linked to it")
	_, _, _, err = w.PutSink(ctx, control.NewSink{Name: "s3", Bucket: "elsewhere", Credentials: controltest.Credentials})
	wantKind(t, err, problem.Conflict, "cannot point to another bucket yet")
	if err := w.DeleteImporter(ctx, "fme"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, w.DeleteSink(ctx, "s3", false), problem.Conflict, "--recursive")
	*woken = 0
	if err := w.DeleteSink(ctx, "s3", true); err != nil || *woken != 1 {
		t.Errorf("%v, woken %d", err, *woken)
	}
}

func TestImporterPolicies(t *testing.T) {
	w := controltest.New(t)
	mustSink(t, w, "s3")
	mustImporter(t, w, func(n *control.NewImporter) { n.TopicARN = topic })
	mustImporter(t, w, func(n *control.NewImporter) { n.Name, n.Prefix = "other", "other/" })
	mustStream(t, w, "demo", 1)
	mustExporter(t, w, control.NewExporter{Stream: "demo"})
	for name, c := range map[string]struct {
		q          control.PolicyQuery
		statements int
		topic      bool
	}{
		"all":              {control.PolicyQuery{}, 5, true},
		"an exporter":      {control.PolicyQuery{Exporter: "s3-demo"}, 1, false},
		"an importer":      {control.PolicyQuery{Importer: "fme"}, 4, true},
		"another importer": {control.PolicyQuery{Importer: "other"}, 4, false},
	} {
		c.q.Sink = "s3"
		set, err := w.Policies(t.Context(), c.q)
		if err != nil || len(set.IAM.Statement) != c.statements || (set.Topic != nil) != c.topic {
			t.Errorf("%s: %+v, %v", name, set, err)
		}
	}
	_, err := w.Policies(t.Context(), control.PolicyQuery{Sink: "s3", Importer: "nope"})
	wantKind(t, err, problem.NotFound, "nope")
}
