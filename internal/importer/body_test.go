package importer_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"strm/internal/importer"
	"strm/internal/stream"
)

// What a report looks like is what its readers were written for.
func TestReportBody(t *testing.T) {
	at := time.UnixMilli(1795161463647)
	entry := func(key string, at time.Time, e stream.StatusEntry) stream.ReportEntry {
		return stream.ReportEntry{Key: key, ObjectAt: at, Entry: e}
	}
	entries := []stream.ReportEntry{
		entry("events/2026/part-0001.snappy.parquet", at, stream.StatusEntry{EntryID: 1, Valid: true, Rows: 798}),
		entry("events/2026/part-0001.snappy.parquet", at, stream.StatusEntry{
			EntryID: 2, Rows: 10, Errors: []stream.RowError{stream.ErrEnvironment, stream.ErrTimestamp},
			Details: []string{"unknown environment env-9", "timestamp 1795161463 is not in milliseconds"},
		}),
		entry("events/2026/part-0001.snappy.parquet", at.Add(22*time.Millisecond), stream.StatusEntry{EntryID: 1, Valid: true, Rows: 100, Warnings: []string{"WARNING_XYZ"}}),
		entry("<a> & \"ü\"\n.parquet", at, stream.StatusEntry{EntryID: 1, Rows: 1, Errors: []stream.RowError{stream.ErrSchema}, Details: []string{"column value is INT32, not DOUBLE"}}),
	}
	const want = `{"events/2026/part-0001.snappy.parquet":[
 {"originalCreationTime":1795161463647,"entryId":1,"valid":true,"numberOfRows":798,"errors":[],"errorsDetails":[],"warnings":[]},
 {"originalCreationTime":1795161463647,"entryId":2,"valid":false,"numberOfRows":10,"errors":["INVALID_ENVIRONMENT_ID","INVALID_TIMESTAMP"],"errorsDetails":["unknown environment env-9","timestamp 1795161463 is not in milliseconds"],"warnings":[]},
 {"originalCreationTime":1795161463669,"entryId":1,"valid":true,"numberOfRows":100,"errors":[],"errorsDetails":[],"warnings":["WARNING_XYZ"]}],
"<a> & \"ü\"\n.parquet":[
 {"originalCreationTime":1795161463647,"entryId":1,"valid":false,"numberOfRows":1,"errors":["INVALID_SCHEMA"],"errorsDetails":["column value is INT32, not DOUBLE"],"warnings":[]}]}
`
	got := importer.ReportBody(entries)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var read map[string][]told
	if err := json.Unmarshal(got, &read); err != nil || len(read) != 2 || len(read["events/2026/part-0001.snappy.parquet"]) != 3 {
		t.Errorf("read back: %v, %+v", err, read)
	}
	if !reflect.DeepEqual(got, importer.ReportBody(entries)) {
		t.Error("the same entries make another report")
	}
	if got := string(importer.ReportBody(nil)); got != "{}\n" {
		t.Errorf("nothing is %q", got)
	}
}
