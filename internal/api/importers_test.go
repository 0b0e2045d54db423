package api_test

import (
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/control/controltest"
	"strm/internal/notice"
	"strm/internal/stream"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:fme"

func importing(t *testing.T) (*site, apiv1.Importer) {
	s := newSite(t)
	s.want(201, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b", Credentials: controltest.Credentials}, nil)
	var x apiv1.Importer
	s.want(201, "POST", "/v1/batch-importers", apiv1.CreateImporter{
		Name: "fme", Environments: []string{"e1", "e2"}, Prefix: "events/", StatusFolder: "my_statuses/", TopicARN: topic, ReportEvery: "60",
	}, &x)
	return s, x
}

func TestImporters(t *testing.T) {
	s, x := importing(t)
	if x.Stream != "fme" || !x.NewStream || x.Sink != "s3" || x.StatusFolder != "my_statuses" || len(x.Suffixes) != 5 || x.ListEvery != "900s" || x.ReportEvery != "60s" ||
		x.Status.State != "running" || x.Status.Subscription.State != "pending" || !strings.HasPrefix(x.Endpoint, "/notices/") || len(x.Endpoint) < 40 {
		t.Errorf("created %+v", x)
	}
	endpoint := x.Endpoint
	s.want(200, "GET", "/v1/batch-importers/fme", nil, &x)
	if x.Endpoint != endpoint || x.NewStream {
		t.Errorf("got %+v", x)
	}
	var list map[string][]apiv1.Importer
	s.want(200, "GET", "/v1/batch-importers?stream=fme", nil, &list)
	if len(list["batchImporters"]) != 1 {
		t.Errorf("listed %+v", list)
	}
	s.refused(404, "GET", "/v1/batch-importers?stream=nope", nil)
	s.want(200, "PATCH", "/v1/batch-importers/fme", `{"environments":["e3"],"suffixes":[".parquet"],"topicArn":"","listEvery":"1h","statusFolder":"s"}`, &x)
	if len(x.Environments) != 1 || len(x.Suffixes) != 1 || x.TopicARN != "" || x.Endpoint != "" || x.ListEvery != "3600s" || x.StatusFolder != "s" || x.ReportEvery != "60s" || x.Status.Subscription != nil {
		t.Errorf("changed %+v", x)
	}
	s.want(200, "POST", "/v1/batch-importers/fme/pause", nil, &x)
	if x.Status.State != "paused" {
		t.Errorf("paused %+v", x.Status)
	}
	s.want(200, "POST", "/v1/batch-importers/fme/resume", nil, &x)
	if x.Status.State != "running" {
		t.Errorf("resumed %+v", x.Status)
	}
	if err := s.DB.SetImporterProblem(t.Context(), x.ID, "s3:ListBucket on b is denied"); err != nil {
		t.Fatal(err)
	}
	s.want(200, "GET", "/v1/batch-importers/fme", nil, &x)
	if x.Status.State != "failing" || x.Status.Reason != "s3:ListBucket on b is denied" {
		t.Errorf("failing %+v", x.Status)
	}
	s.refused(409, "POST", "/v1/batch-importers", apiv1.CreateImporter{Name: "fme", Environments: []string{"e"}, StatusFolder: "s"})
	for body, says := range map[string]string{
		`{"name":"x","statusFolder":"s"}`:                                           "--environment",
		`{"name":"x","environments":["e"]}`:                                         "--status-folder",
		`{"name":"x","environments":["e"],"statusFolder":"s","listEvery":"0"}`:      "above 0",
		`{"name":"x","environments":["e"],"statusFolder":"s","reportEvery":"soon"}`: "report interval",
	} {
		if p := s.refused(400, "POST", "/v1/batch-importers", body); !strings.Contains(p.Detail, says) {
			t.Errorf("%s: %+v", body, p)
		}
	}
	s.refused(400, "PATCH", "/v1/batch-importers/fme", `{"reportEvery":"0"}`)
	s.refused(400, "PATCH", "/v1/batch-importers/fme", `{"environments":[]}`)
	s.refused(409, "DELETE", "/v1/streams/fme", nil)
	s.refused(409, "DELETE", "/v1/sinks/s3", nil)

	var p apiv1.Policies
	s.want(200, "PATCH", "/v1/batch-importers/fme", `{"topicArn":"`+topic+`"}`, nil)
	s.want(200, "GET", "/v1/sinks/s3/policy?importer=fme&principal=arn:aws:iam::1:user/u", nil, &p)
	if len(p.IAM.Statement) != 4 || p.Topic.Statement[0].Principal.Service != "s3.amazonaws.com" || p.Topic.Statement[0].Resource[0] != topic {
		t.Errorf("policies %+v", p)
	}
	s.refused(404, "GET", "/v1/sinks/s3/policy?importer=nope", nil)
	s.refused(400, "GET", "/v1/sinks/s3/policy?importer=fme&exporter=x", nil)

	s.want(204, "DELETE", "/v1/batch-importers/fme", nil, nil)
	s.refused(404, "DELETE", "/v1/batch-importers/fme", nil)
	s.refused(404, "GET", "/v1/batch-importers/fme", nil)
}

func TestImports(t *testing.T) {
	s, x := importing(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 20, 8, 0, 0, 123_000_000, time.UTC)
	files := []notice.File{{Key: "events/a", VersionID: "v1", ETag: "e", Size: 7, At: at}, {Key: "events/b", ETag: "e", Size: 8, At: at}, {Key: "events/c", ETag: "e", At: at}}
	if _, err := s.DB.Noticed(ctx, x.ID, "sns", at, files); err != nil {
		t.Fatal(err)
	}
	i, err := s.DB.Import(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	i.State, i.Environments, i.Partition, i.StartedAt, i.Attempts = stream.ImportRunning, []string{"e1"}, 0, at, 1
	if err := s.DB.SaveImport(ctx, i); err != nil {
		t.Fatal(err)
	}
	i.Rows, i.Accepted, i.DoneAt = 10, 9, at.Add(time.Second)
	err = s.DB.FinishImport(ctx, i, []stream.StatusEntry{
		{ImportID: 1, EntryID: 1, Valid: true, Rows: 9},
		{ImportID: 1, EntryID: 2, Rows: 1, Errors: []stream.RowError{stream.ErrEnvironment}, Details: []string{"unknown environment e9"}},
	})
	if err != nil {
		t.Fatal(err)
	}

	var page struct {
		Imports []apiv1.Import
		Next    int64
	}
	s.want(200, "GET", "/v1/imports?importer=fme&limit=2", nil, &page)
	if len(page.Imports) != 2 || page.Imports[0].Key != "events/c" || page.Next != 2 || page.Imports[1].VersionID != "" {
		t.Errorf("%+v", page)
	}
	s.want(200, "GET", "/v1/imports?limit=2&before=2", nil, &page)
	if len(page.Imports) != 1 || page.Imports[0].VersionID != "v1" || *page.Imports[0].Partition != 0 {
		t.Errorf("%+v", page)
	}
	page.Next = 0
	s.want(200, "GET", "/v1/imports?state=noticed&prefix=events/b", nil, &page)
	if len(page.Imports) != 1 || page.Imports[0].Key != "events/b" || page.Next != 0 {
		t.Errorf("%+v", page)
	}
	for query, status := range map[string]int{"importer=nope": 404, "state=lost": 400, "limit=1001": 400, "limit=-1": 400, "before=-1": 400} {
		s.refused(status, "GET", "/v1/imports?"+query, nil)
	}
	var one apiv1.Import
	a := s.want(200, "GET", "/v1/imports/1", nil, &one)
	if one.State != "done" || one.Rows != 10 || one.Accepted != 9 || len(one.Entries) != 2 || one.Report != nil || one.Entries[1].Errors[0] != "INVALID_ENVIRONMENT_ID" {
		t.Errorf("%+v", one)
	}
	// An entry is what the report has.
	if want := `{"originalCreationTime":1795161600123,"entryId":1,"valid":true,"numberOfRows":9,"errors":[],"errorsDetails":[],"warnings":[]}`; !strings.Contains(string(a.body), want) {
		t.Errorf("%s lacks %s", a.body, want)
	}
	if _, ok, err := s.DB.PlanReport(ctx, at.Add(time.Hour), 10); err != nil || !ok {
		t.Fatal(ok, err)
	}
	s.want(200, "GET", "/v1/imports/1", nil, &one)
	if one.Report == nil || one.Report.Key != "my_statuses/2026-11-20/09-00-00.123.UTC_report.status" || one.Report.State != "planned" {
		t.Errorf("report %+v", one.Report)
	}
	s.refused(404, "GET", "/v1/imports/99", nil)
	s.want(200, "GET", "/v1/batch-importers/fme", nil, &x)
	if st := x.Status; st.Files != 1 || st.WaitingFiles != 2 || st.Rows != 10 || st.Accepted != 9 || st.Unreported != 0 || st.NoticedAt == nil {
		t.Errorf("status %+v", st)
	}
	s.want(204, "DELETE", "/v1/sinks/s3?recursive=true", nil, nil)
	s.want(200, "GET", "/v1/imports/2", nil, &one)
	if one.State != "abandoned" {
		t.Errorf("%+v", one)
	}
}
