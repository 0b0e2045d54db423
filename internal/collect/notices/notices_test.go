package notices_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/collect/notices"
	"strm/internal/problem"
	"strm/internal/stream"
	"strm/test/snsdouble"
)

func TestNotificationsBecomeFilesOnce(t *testing.T) {
	r := newRig(t)
	m := snsdouble.Message{ID: "same", Text: event("in-bucket", "events/red+flower%2B1.parquet", "e1")}
	r.wants("first", m, http.StatusOK, notices.Recorded)
	r.wants("again", m, http.StatusOK, notices.Recorded)
	m.Version = 2
	m.ID = "other"
	r.wants("in another message", m, http.StatusOK, notices.Recorded)
	f, ok := r.ledger.files["events/red flower+1.parquet  e1"]
	if len(r.ledger.files) != 1 || !ok || f.Size != 9 || f.Bucket != "in-bucket" || r.woken != 1 {
		t.Errorf("%+v, woken %d times", r.ledger.files, r.woken)
	}
}

func TestWhatIsNotForTheImporter(t *testing.T) {
	r := newRig(t)
	for _, text := range []string{
		event("other-bucket", "events/a.parquet", "e1"),
		event("in-bucket", "elsewhere/a.parquet", "e1"),
		event("in-bucket", "events/a.csv", "e1"),
		event("in-bucket", "events/status/a.parquet", "e1"),
		event("in-bucket", "events/dir.parquet/", "e1"),
		`{"Records":[]}`,
	} {
		r.wants(text, snsdouble.Message{Text: text}, http.StatusOK, notices.Unwanted)
	}
	if len(r.ledger.files) != 0 || r.woken != 0 {
		t.Errorf("%v, woken %d times", r.ledger.files, r.woken)
	}
	// A stranger among them changes nothing for the rest.
	r.wants("mixed", snsdouble.Message{Text: `{"Records":[` + record("other", "events/a.parquet", "e") + "," + record("in-bucket", "events/a.parquet", "e") + `]}`}, http.StatusOK, notices.Recorded)
	if len(r.ledger.files) != 1 {
		t.Errorf("%v", r.ledger.files)
	}
}

func TestRecordsThatNobodyUnderstands(t *testing.T) {
	r := newRig(t)
	strange := strings.Replace(record("in-bucket", "events/b.parquet", "e"), `"2.1"`, `"3.0"`, 1)
	r.wants("alone", snsdouble.Message{Text: `{"Records":[` + strange + `]}`}, http.StatusBadRequest, notices.Unreadable)
	r.wants("with others", snsdouble.Message{Text: `{"Records":[` + strange + "," + record("in-bucket", "events/a.parquet", "e") + `]}`}, http.StatusOK, notices.Unreadable)
	r.wants("words", snsdouble.Message{Text: "hello"}, http.StatusBadRequest, notices.Unreadable)
	if len(r.ledger.files) != 1 || !strings.Contains(r.log.String(), "3.0") {
		t.Errorf("%v\n%s", r.ledger.files, r.log)
	}
}

func TestForgeriesAreRefusedForGood(t *testing.T) {
	r := newRig(t)
	for _, f := range r.sns.Forgeries(topic, event("in-bucket", "events/a.parquet", "e1")) {
		status, tries := r.deliver(f.Message)
		if status != http.StatusForbidden && status != http.StatusBadRequest || tries != 1 {
			t.Errorf("%s: status %d after %d tries", f.Name, status, tries)
		}
	}
	for _, q := range r.sns.Requests() {
		if q.Kind == "connect" && !q.OK || q.Kind == "confirm" || q.Kind == "other" {
			t.Errorf("asked for %+v", q)
		}
	}
	if s := r.ledger.subscription(); len(r.ledger.files) != 0 || r.ledger.notices != 0 || s.State != stream.SubscriptionRaw || s.ARN != "" {
		t.Errorf("%v, %+v", r.ledger.files, s)
	}
}

func TestTroubleIsTriedAgain(t *testing.T) {
	r := newRig(t)
	m := snsdouble.Message{Text: event("in-bucket", "events/a.parquet", "e1")}
	for _, what := range []string{"lookup", "bucket", "noticed", "subscription"} {
		r.ledger.breaks(what)
		if what != "subscription" { // until the state is stored, nothing is recorded
			r.ledger.importer.Subscription.State = stream.SubscriptionConfirmed
		} else {
			r.ledger.importer.Subscription = stream.Subscription{}
		}
		status, tries := r.deliver(m)
		if status != http.StatusServiceUnavailable || tries != 3 || r.last() != notices.Failed {
			t.Errorf("%s: %d after %d tries", what, status, tries)
		}
	}
	r.ledger.breaks("")
	for _, c := range []snsdouble.Certificate{snsdouble.Missing, snsdouble.Expired, snsdouble.Huge} {
		if status, tries := r.deliver(snsdouble.Message{Text: m.Text, CertURL: r.sns.CertURL(c)}); status != http.StatusServiceUnavailable || tries != 3 {
			t.Errorf("certificate %s: %d after %d tries", c, status, tries)
		}
	}
	if len(r.ledger.files) != 0 {
		t.Errorf("%v", r.ledger.files)
	}
	r.wants("at last", m, http.StatusOK, notices.Recorded)
}

func TestOtherRequests(t *testing.T) {
	r := newRig(t)
	m := snsdouble.Message{Topic: topic, Text: event("in-bucket", "events/a.parquet", "e1")}
	good, err := r.sns.Body(m)
	if err != nil {
		t.Fatal(err)
	}
	padded := append(bytes.Repeat([]byte(" "), 512<<10), good...)
	for _, tt := range []struct {
		name, method, url string
		body              []byte
		want              int
	}{
		{"unknown token", http.MethodPost, r.url + "x", good, http.StatusNotFound},
		{"shorter token", http.MethodPost, r.url[:len(r.url)-1], good, http.StatusNotFound},
		{"long token", http.MethodPost, r.url + strings.Repeat("x", 1000), good, http.StatusNotFound},
		{"get", http.MethodGet, r.url, nil, http.StatusMethodNotAllowed},
		{"put", http.MethodPut, r.url, good, http.StatusMethodNotAllowed},
		{"empty", http.MethodPost, r.url, nil, http.StatusBadRequest},
		{"large", http.MethodPost, r.url, padded, http.StatusRequestEntityTooLarge},
		{"almost large", http.MethodPost, r.url, padded[len(good):], http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, tt.url, bytes.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != tt.want || (tt.want == http.StatusMethodNotAllowed) != (res.Header.Get("Allow") == http.MethodPost) || bytes.Contains(text, []byte(token)) {
			t.Errorf("%s: %d %s, want %d", tt.name, res.StatusCode, text, tt.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestImporterWithoutTopicTakesNothing(t *testing.T) {
	r := newRig(t)
	r.ledger.importer.TopicARN = ""
	r.wants("no topic", snsdouble.Message{Text: event("in-bucket", "events/a.parquet", "e1")}, http.StatusForbidden, notices.Refused)
	if len(r.sns.Requests()) != 0 {
		t.Error(r.sns.Requests())
	}
}

func TestPausedImporterIsToldAllTheSame(t *testing.T) {
	r := newRig(t)
	r.ledger.importer.Paused = true
	r.wants("paused", snsdouble.Message{Text: event("in-bucket", "events/a.parquet", "e1")}, http.StatusOK, notices.Recorded)
	if len(r.ledger.files) != 1 {
		t.Error(r.ledger.files)
	}
}

func TestTestEvent(t *testing.T) {
	r := newRig(t)
	r.wants("test event", snsdouble.Message{Text: `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-20T08:00:00.000Z","Bucket":"in-bucket"}`}, http.StatusOK, notices.Tested)
	s := r.ledger.subscription()
	if s.TestBucket != "in-bucket" || !s.TestedAt.Equal(time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)) || s.State != stream.SubscriptionConfirmed || r.ledger.notices != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLogPath(t *testing.T) {
	for p, want := range map[string]string{"/notices/abc": "/notices/***", "//notices/abc/d": "//notices/***", "/v1/streams": "/v1/streams", "/notices": "/notices"} {
		if got := notices.LogPath(p); got != want {
			t.Errorf("%s: %s", p, got)
		}
	}
}

// gate is a ledger whose lookups wait.
type gate struct {
	notices.Ledger
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) ImporterByToken(context.Context, string) (stream.Importer, error) {
	g.entered <- struct{}{}
	<-g.open
	return stream.Importer{}, problem.New(problem.NotFound, "none")
}

func TestOverload(t *testing.T) {
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	mux := http.NewServeMux()
	notices.New(notices.Deps{Ledger: g}).Register(mux)
	post := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, notices.Endpoint("x"), nil))
		return w
	}
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			if w := post(); w.Code != http.StatusNotFound {
				t.Error(w.Code)
			}
		})
		<-g.entered
	}
	if w := post(); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Error(w.Code, w.Header())
	}
	close(g.open)
	all.Wait()
	all.Go(func() { <-g.entered })
	if w := post(); w.Code != http.StatusNotFound {
		t.Error("there is room again, but", w.Code)
	}
	all.Wait()
}
