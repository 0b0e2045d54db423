package importer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"strm/internal/eventfile"
	"strm/internal/importer"
	"strm/internal/stream"
)

type event struct {
	Environment string            `parquet:"environmentId"`
	Traffic     string            `parquet:"trafficTypeId"`
	Type        string            `parquet:"eventTypeId"`
	Key         *string           `parquet:"key"`
	Timestamp   int64             `parquet:"timestamp"`
	Value       *float64          `parquet:"value"`
	Properties  map[string]string `parquet:"properties"`
}

func parquetOf(t *testing.T, rows []event) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := parquet.NewGenericWriter[event](&buf, parquet.Compression(&parquet.Snappy), parquet.PageBufferSize(4096))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// The seed's script: for each file, the rows of the status entries, repeats left
// out, add up to the rows of the file. One in a hundred is bad, in one of three ways.
func TestParquetFilesAreAccountedForRowByRow(t *testing.T) {
	const files, rows = 40, 250
	w := newWorld(t, true)
	dir := t.TempDir()
	w.openFile = importer.Parquet(dir, eventfile.Limits{FreeDisk: 1})
	want := map[string]bool{}
	n := 0
	for f := range files {
		var all []event
		for range rows {
			key := fmt.Sprint("user-", n)
			e := event{Environment: "e1", Traffic: "t", Type: "buy", Key: &key, Timestamp: 1795161463647 + int64(n), Properties: map[string]string{"n": fmt.Sprint(n)}}
			switch n % 300 {
			case 0:
				e.Environment = "nowhere"
			case 100:
				e.Key = nil
			case 200:
				e.Timestamp /= 1000
			default:
				want[key] = true
			}
			all = append(all, e)
			n++
		}
		data := parquetOf(t, all)
		key := fmt.Sprintf("in/part-%03d.rows", f)
		if f%2 == 0 { // wrapped
			var z bytes.Buffer
			g := gzip.NewWriter(&z)
			_, err := g.Write(data)
			w.must(err)
			w.must(g.Close())
			data = z.Bytes()
		}
		w.notice(w.store.put(key, data))
	}
	bomb := w.store.put("in/broken.rows", parquetOf(t, make([]event, 10))[:300])
	w.notice(bomb)
	w.start(gates{})
	w.settled()
	w.stop()

	sums, codes := map[string]int64{}, map[string]int64{}
	for at, e := range w.entries() {
		sums[at.file] += e.Rows
		if e.Rows == 1 && len(e.Errors) > 0 && e.Errors[0] == "INVALID_SCHEMA" {
			t.Log(at.file, e.Details)
		}
		for _, c := range e.Errors {
			codes[c] += e.Rows
		}
	}
	if len(sums) != files+1 {
		t.Errorf("reports tell of %d files", len(sums))
	}
	for file, sum := range sums {
		if sum != rows && file != bomb.Key {
			t.Errorf("%s: entries of %d rows, want %d", file, sum, rows)
		}
	}
	if bad := int64((n + 299) / 300); codes[string(stream.ErrEnvironment)] != bad || codes[string(stream.ErrSchema)] != 1 ||
		codes[string(stream.ErrFieldsNull)]+codes[string(stream.ErrTimestamp)]+bad != int64(n-len(want)) {
		t.Errorf("codes %v of %d rows", codes, n)
	}
	for _, line := range w.lines() {
		var e struct {
			Key        string
			Properties map[string]string
		}
		w.must(json.Unmarshal([]byte(line), &e))
		if !want[e.Key] || e.Properties["n"] != strings.TrimPrefix(e.Key, "user-") {
			t.Errorf("row %s is not wanted, or not again", line)
		}
		delete(want, e.Key)
	}
	if len(want) > 0 {
		t.Errorf("%d rows are missing", len(want))
	}
	left, err := os.ReadDir(dir)
	w.must(err)
	if len(left) > 0 {
		t.Errorf("%d temporary files are left", len(left))
	}
}
