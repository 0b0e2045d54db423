package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"strm/internal/objstore"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/server"
)

// A file of which nobody told is found by listing, imported and reported on, and
// not again by the next process.
func TestFilesAreImportedAcrossARestart(t *testing.T) {
	store, err := s3server.New(s3server.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket("events"); err != nil {
		t.Fatal(err)
	}
	reported, listed := make(chan string, 10), make(chan struct{}, 10)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		store.ServeHTTP(w, r)
		switch {
		case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".UTC_report.status"):
			reported <- strings.TrimPrefix(r.URL.Path, "/events/")
		case r.Method == http.MethodGet && r.URL.Query().Get("prefix") == "in/":
			select {
			case listed <- struct{}{}:
			default:
			}
		}
	}))
	defer ts.Close()
	bucket, err := s3.Open(t.Context(), s3.Config{Bucket: "events", Endpoint: ts.URL, PathStyle: true, AccessKeyID: "AKIATESTTESTTESTTEST", SecretAccessKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()

	type event struct {
		Environment string   `parquet:"environmentId"`
		Traffic     string   `parquet:"trafficTypeId"`
		Type        string   `parquet:"eventTypeId"`
		Key         string   `parquet:"key"`
		Timestamp   int64    `parquet:"timestamp"`
		Value       *float64 `parquet:"value"`
	}
	var file bytes.Buffer
	rows := []event{{"prod", "t", "buy", "u1", 1795161463647, nil}, {"other", "t", "buy", "u2", 1795161463647, nil}, {"prod", "t", "buy", "u3", 1795161463647, nil}}
	if err := parquet.Write(&file, rows); err != nil {
		t.Fatal(err)
	}
	if err := bucket.Create(t.Context(), "in/a.parquet", objstore.Bytes(file.Bytes())); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	r := start(t, server.Config{Data: data})
	r.must("PUT", "/v1/sinks/s3", fmt.Sprintf(`{"bucket":"events","endpoint":%q,"pathStyle":true,"credentials":%q}`, ts.URL,
		`{"AccessKey":{"AccessKeyId":"AKIATESTTESTTESTTEST","SecretAccessKey":"secret"}}`))
	r.must("POST", "/v1/batch-importers", `{"name":"fme","environments":["prod"],"prefix":"in/","statusFolder":"status","listEvery":"1s","reportEvery":"1s","includeExistingFiles":true}`)
	key := <-reported
	body, _, err := bucket.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil || body.Close() != nil {
		t.Fatal(err)
	}
	var report map[string][]struct {
		Valid bool
		Rows  int `json:"numberOfRows"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	if e := report["in/a.parquet"]; len(e) != 2 || !e[0].Valid || e[0].Rows != 2 || e[1].Valid || e[1].Rows != 1 {
		t.Errorf("%s: %s", key, text)
	}
	metrics := r.must("GET", "/metrics", "")
	for _, want := range []string{
		`strm_imported_files_total{importer="fme",outcome="imported"} 1`,
		`strm_import_rows_total{importer="fme",result="accepted"} 2`,
		`strm_import_rows_total{importer="fme",result="INVALID_ENVIRONMENT_ID"} 1`,
		`strm_import_oldest_waiting_seconds 0`,
		`strm_listed_files_total{importer="fme"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if resp, _ := r.ask("POST", "/notices/unguessed", "{}"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("an endpoint that is not there: %d", resp.StatusCode)
	}
	r.stop()
	if strings.Contains(r.log.String(), "unguessed") {
		t.Error("the token of a notification endpoint is in the log")
	}
	for len(listed) > 0 {
		<-listed
	}
	r = start(t, server.Config{Data: data})
	<-listed // two listings find nothing new
	<-listed
	if out := r.must("GET", "/v1/imports", ""); strings.Count(out, "in/a.parquet") != 1 {
		t.Errorf("imports: %s", out)
	}
	select {
	case again := <-reported:
		// Stopped between the PUT and the note of it, the same report is put once
		// more, and refused by the store; another key would be another report.
		if again != key {
			t.Errorf("reported again: %s", again)
		}
	default:
	}
}
