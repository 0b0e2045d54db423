package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/tidwall/gjson"

	"strm/test/harness"
)

func events(t *testing.T, n, size int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := generate(&b, n, size); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGenerate(t *testing.T) {
	const n = 5000
	b := events(t, n, 544)
	if !bytes.Equal(b, events(t, n, 544)) {
		t.Error("two runs made two files")
	}
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(lines) != n {
		t.Fatalf("%d lines, want %d", len(lines), n)
	}
	for i, l := range lines {
		if !gjson.ValidBytes(l) || !gjson.GetBytes(l, "eventType").Exists() {
			t.Fatalf("line %d: %s", i+1, l)
		}
	}
	if mean := len(b) / n; mean < 530 || mean > 560 {
		t.Errorf("mean size %d, want about 544", mean)
	}
}

// recorder keeps what a floor puts, in order.
type recorder struct {
	sink   *sink
	mu     sync.Mutex
	bodies [][]byte
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.bodies = append(r.bodies, body)
	r.mu.Unlock()
	r.sink.ServeHTTP(w, req)
}

func TestFloorDeliversTheFile(t *testing.T) {
	data := events(t, 1000, 544)
	for _, zip := range []bool{false, true} {
		rec := &recorder{sink: newSink()}
		srv := httptest.NewServer(rec)
		n, err := floor(t.Context(), bytes.NewReader(data), srv.URL+"/"+bucket+"/f", zip, 100_000)
		srv.Close()
		if err != nil || n != 1000 {
			t.Fatalf("gzip %v: %d events, %v", zip, n, err)
		}
		var got []byte
		for _, b := range rec.bodies {
			if zip {
				r, err := gzip.NewReader(bytes.NewReader(b))
				if err != nil {
					t.Fatal(err)
				}
				if b, err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
			if len(b) > 100_000 {
				t.Errorf("gzip %v: an object of %d raw bytes", zip, len(b))
			}
			got = append(got, b...)
		}
		if !bytes.Equal(got, data) {
			t.Errorf("gzip %v: %d bytes delivered, want the %d of the file", zip, len(got), len(data))
		}
		if rec.sink.stats.Objects != int64(len(rec.bodies)) {
			t.Errorf("the sink counted %d objects of %d", rec.sink.stats.Objects, len(rec.bodies))
		}
	}
	if _, err := floor(t.Context(), strings.NewReader("{\"a\":1}\n{\"a\":\n"), "http://127.0.0.1:1/b/f", false, 1000); err == nil || !strings.Contains(err.Error(), "line 2 is not JSON") {
		t.Errorf("bad JSON: %v", err)
	}
}

func TestSinkRefusesATakenKey(t *testing.T) {
	s := newSink()
	for i, want := range []int{http.StatusOK, http.StatusPreconditionFailed} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/"+bucket+"/k", strings.NewReader("x")))
		if w.Code != want {
			t.Errorf("put %d: %d, want %d", i+1, w.Code, want)
		}
	}
}

// TestSend shows that the client sends everything once, in batches, and tries
// again when told to.
func TestSend(t *testing.T) {
	data := events(t, 1050, 544)
	var mu sync.Mutex
	lines, busy := 0, 0
	keys := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(keys) == 3 && busy == 0 {
			busy++
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		keys[r.Header.Get("Idempotency-Key")] = true
		n := bytes.Count(b, []byte("\n"))
		lines += n
		if _, err := io.WriteString(w, `{"accepted":`+strconv.Itoa(n)+`}`); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	rep, err := send(t.Context(), &harness.Intake{Server: srv.URL, Stream: "s", Key: "k", Client: srv.Client()}, bytes.NewReader(data), 4, 100, "t")
	if err != nil {
		t.Fatal(err)
	}
	if rep.Events != 1050 || lines != 1050 || len(keys) != 11 || rep.Busy != 1 || rep.Bytes != int64(len(data)) {
		t.Errorf("report %+v, %d lines in %d requests", rep, lines, len(keys))
	}
}

func TestMissed(t *testing.T) {
	rows := []row{
		{kase: kase{floor: true, compression: "gzip", beside: -1}, perM: 2, peak: 900e6},
		{kase: kase{compression: "gzip", beside: 0}, perM: 3.1, peak: 150e6},
	}
	idle := &idleSample{exporters: 1000, quiet: 100 * time.Millisecond, trickle: 150 * time.Millisecond}
	if m := missed(rows, idle, 20*time.Second); len(m) != 0 {
		t.Errorf("all aims are reached, yet %q", m)
	}
	rows[1].perM, rows[1].peak, idle.trickle = 3.3, 201e6, time.Second
	if m := missed(rows, idle, 20*time.Second); len(m) != 3 {
		t.Errorf("three aims are missed, yet %q", m)
	}
}

func TestMissedParquet(t *testing.T) {
	at := func(cpu float64, peak int64) parquetSample {
		return parquetSample{rows: 1_000_000, cpu: time.Duration(cpu * float64(time.Second)), peak: peak}
	}
	for name, c := range map[string]struct {
		samples []parquetSample
		want    int
	}{
		"level":           {[]parquetSample{at(3.2, 100e6), at(3.1, 0), at(5, 0)}, 0},
		"slower":          {[]parquetSample{at(3.5, 100e6), at(5, 0), at(3.1, 0)}, 1},
		"for information": {[]parquetSample{at(3.2, 100e6), at(3.1, 0), at(5, 0), at(1, 0)}, 0},
		"large":           {[]parquetSample{at(1, 201e6), at(3.1, 0), at(5, 0)}, 1},
		"not installed":   {[]parquetSample{at(1, 100e6)}, 1},
		"none at all":     {nil, 1},
		"not asked for":   {nil, 0},
	} {
		if m := missedParquet("parquet out", c.samples, name != "not asked for", aimPeak); len(m) != c.want {
			t.Errorf("%s: %q", name, m)
		}
	}
}

func TestImpressions(t *testing.T) {
	plain, packed, err := impressionFiles(t.TempDir(), 2000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	if len(lines) != 2000 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, l := range lines {
		if p := gjson.GetBytes(l, "properties").String(); !gjson.ValidBytes(l) || p != "" && !gjson.Valid(p) {
			t.Fatalf("line %d: %s", i+1, l)
		}
	}
	f, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes in the gzip file, %v", len(got), err)
	}
}

func TestScaleKeepsMediansAndTheHighestPeak(t *testing.T) {
	run := func(cpu, took time.Duration, peak int64) scaleSample {
		return scaleSample{scaleCase: scaleCases[1], cpu: cpu, took: took, peak: peak, objects: 3, out: 9}
	}
	got := medianOf([]scaleSample{run(5, 10, 100), run(1, 30, 300), run(3, 20, 200)})
	if want := run(3, 20, 300); got.cpu != want.cpu || got.took != want.took || got.peak != want.peak || got.objects != 3 || got.out != 9 || got.String() != want.String() {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
