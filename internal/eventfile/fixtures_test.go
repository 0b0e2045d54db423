package eventfile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const fixtureRows = 300

// testRow is a row as a test means it. The strings are nil for null.
type testRow struct {
	env, traffic, kind, key *string
	timestamp               int64
	noTime                  bool
	value                   *float64
	properties              [][2]*string // nil for null
}

func ptr[T any](v T) *T { return &v }

// fixtureRow is row i of the files in testdata, as testdata/make.py has it.
func fixtureRow(i int, required bool) testRow {
	r := testRow{env: ptr("env-2"), traffic: ptr("user"), kind: ptr(fmt.Sprintf("event.%d", i%7)), key: ptr(fmt.Sprintf("key-%d", i))}
	if i%3 != 0 {
		r.env = ptr("env-1")
	}
	if i%50 == 7 {
		r.env = ptr("env-9")
	}
	if i%97 == 5 && !required {
		r.env = nil
	}
	if i%11 == 0 {
		r.key = ptr(fmt.Sprintf("k\"\\ü\n%d", i))
	}
	r.timestamp = 1795161463647 + int64(i)*1000
	if i%60 == 13 {
		r.timestamp = 1795161463 + int64(i)
	}
	switch {
	case i%5 == 0:
	case i%4 == 0:
		r.value = ptr(float64(i))
	default:
		r.value = ptr(float64(i) / 3)
	}
	if i%7 == 3 {
		return r
	}
	r.properties = [][2]*string{}
	if i%7 == 4 {
		return r
	}
	note := ptr("é\x01 \"")
	if i%6 == 0 {
		note = nil
	}
	r.properties = append(r.properties, [2]*string{ptr("plan"), ptr(fmt.Sprintf("p%d", i%4))}, [2]*string{ptr("n"), ptr(strconv.Itoa(i))}, [2]*string{ptr("note"), note})
	return r
}

// text is s as encoding/json writes it.
func text(t testing.TB, s *string) string {
	t.Helper()
	if s == nil {
		return "null"
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(*s); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// line is the row as JSON, with names in the documented order.
func (r testRow) line(t testing.TB) string {
	t.Helper()
	value, props := "null", "null"
	if r.value != nil {
		b, err := json.Marshal(*r.value)
		if err != nil {
			t.Fatal(err)
		}
		value = string(b)
	}
	if r.properties != nil {
		var parts []string
		for _, p := range r.properties {
			parts = append(parts, text(t, p[0])+":"+text(t, p[1]))
		}
		props = "{" + strings.Join(parts, ",") + "}"
	}
	return fmt.Sprintf("{\"environmentId\":%s,\"trafficTypeId\":%s,\"eventTypeId\":%s,\"key\":%s,\"timestamp\":%d,\"value\":%s,\"properties\":%s}\n",
		text(t, r.env), text(t, r.traffic), text(t, r.kind), text(t, r.key), r.timestamp, value, props)
}

// expect returns the lines and counts that a file of these rows must give,
// worked out one row at a time.
func expect(t testing.TB, rows []testRow, known ...string) (lines []string, counts map[string]int64) {
	t.Helper()
	counts = map[string]int64{}
	for _, r := range rows {
		var faults []string
		if r.env != nil && !strings.Contains(","+strings.Join(known, ",")+",", ","+*r.env+",") {
			faults = append(faults, "INVALID_ENVIRONMENT_ID: environment "+*r.env+" is not one of this importer")
		}
		var nulls []string
		for _, f := range []struct {
			name string
			v    *string
		}{{"environmentId", r.env}, {"trafficTypeId", r.traffic}, {"eventTypeId", r.kind}, {"key", r.key}} {
			if f.v == nil {
				nulls = append(nulls, f.name+" is null")
			}
		}
		if nulls != nil {
			faults = append(faults, "REQUIRED_FIELDS_NULL: "+strings.Join(nulls, "; "))
		}
		if r.timestamp < 100_000_000_000 {
			faults = append(faults, "INVALID_TIMESTAMP: timestamp is in seconds, not milliseconds")
		}
		counts[strings.Join(faults, " | ")]++
		if faults == nil {
			lines = append(lines, r.line(t))
		}
	}
	return lines, counts
}

// countsOf puts entries into the form of expect.
func countsOf(entries []stream.StatusEntry) map[string]int64 {
	out := map[string]int64{}
	for _, e := range entries {
		var faults []string
		for i, code := range e.Errors {
			faults = append(faults, string(code)+": "+e.Details[i])
		}
		out[strings.Join(faults, " | ")] += e.Rows
	}
	return out
}

// openBytes opens a file that a test has in memory.
func openBytes(t testing.TB, b []byte, l Limits) (*File, error) {
	t.Helper()
	if l.FreeDisk == 0 {
		l.FreeDisk = 1 // a test needs little
	}
	return Open(context.Background(), bytes.NewReader(b), int64(len(b)), t.TempDir(), l)
}

// result is what one reading gave.
type result struct {
	data     string
	accepted int
	chunks   []Chunk
	tally    *Tally
	err      error
}

func readAll(t testing.TB, f *File, from int64, known ...string) result {
	t.Helper()
	out := result{tally: &Tally{}}
	next := from
	for c, err := range f.Chunks(context.Background(), from, Check{Environments: known}, out.tally) {
		if err != nil {
			out.err = err
			break
		}
		if c.From != next || c.To <= c.From {
			t.Fatalf("chunk [%d,%d) follows row %d", c.From, c.To, next)
		}
		if n := bytes.Count(c.Data, []byte("\n")); n != c.Accepted {
			t.Fatalf("chunk [%d,%d) has %d lines and says %d", c.From, c.To, n, c.Accepted)
		}
		if out.tally.Rows() != c.To {
			t.Fatalf("chunk ends at %d, %d rows are counted", c.To, out.tally.Rows())
		}
		next = c.To
		out.data += string(c.Data)
		out.accepted += c.Accepted
		c.Data = nil
		out.chunks = append(out.chunks, c)
	}
	return out
}

func mustOpen(t testing.TB, b []byte) *File {
	t.Helper()
	f, err := openBytes(t, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// wantRefused opens b, and reads it where it opens, and returns why it was refused.
func wantRefused(t testing.TB, b []byte, l Limits) string {
	t.Helper()
	f, err := openBytes(t, b, l)
	if err == nil {
		defer f.Close()
		err = readAll(t, f, 0, "env-1").err
	}
	var fe *FileError
	if !errors.As(err, &fe) {
		t.Fatalf("got %v, want a FileError", err)
	}
	return fe.Detail
}

func fixtures(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(names) < 20 {
		t.Fatalf("%d files in testdata, %v", len(names), err)
	}
	return names
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Files of other writers give the rows that they were written from: each
// codec, both kinds of pages, dictionaries and none, all encodings, older maps.
func TestFilesOfOtherWriters(t *testing.T) {
	for _, name := range fixtures(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			required := strings.Contains(name, "required")
			var rows []testRow
			for i := range fixtureRows {
				rows = append(rows, fixtureRow(i, required))
			}
			lines, counts := expect(t, rows, "env-1", "env-2")
			f := mustOpen(t, load(t, name))
			if f.Rows() != fixtureRows {
				t.Fatalf("%d rows", f.Rows())
			}
			r := readAll(t, f, 0, "env-1", "env-2")
			if r.err != nil {
				t.Fatal(r.err)
			}
			same(t, r.data, strings.Join(lines, ""))
			if got := countsOf(r.tally.Entries()); fmt.Sprint(got) != fmt.Sprint(counts) {
				t.Errorf("entries %v, want %v", got, counts)
			}
			if r.tally.Accepted() != int64(len(lines)) {
				t.Errorf("%d accepted, want %d", r.tally.Accepted(), len(lines))
			}
		})
	}
}

// same compares lines, and shows the first that differ.
func same(t testing.TB, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d:\n%swant\n%s", i, g[i], w[i])
		}
	}
	t.Fatalf("%d lines, want %d", len(g), len(w))
}

// Reading again from any row gives the rest of the same rows, and the same counts.
func TestReadingFromARow(t *testing.T) {
	var rows []testRow
	for i := range fixtureRows {
		rows = append(rows, fixtureRow(i, false))
	}
	_, counts := expect(t, rows, "env-1", "env-2")
	for _, name := range []string{"testdata/pyarrow-v1-snappy.parquet", "testdata/duckdb-v2-brotli.parquet", "testdata/pyarrow-v2-delta.parquet"} {
		f := mustOpen(t, load(t, name))
		for from := range fixtureRows + 1 {
			lines, _ := expect(t, rows[from:], "env-1", "env-2")
			r := readAll(t, f, int64(from), "env-1", "env-2")
			if r.err != nil {
				t.Fatal(r.err)
			}
			same(t, r.data, strings.Join(lines, ""))
			if got := countsOf(r.tally.Entries()); fmt.Sprint(got) != fmt.Sprint(counts) {
				t.Fatalf("from %d: entries %v, want %v", from, got, counts)
			}
			if n := len(r.chunks); from < fixtureRows && (n == 0 || r.chunks[n-1].To != fixtureRows) {
				t.Fatalf("from %d: the last chunk does not end with the file: %v", from, r.chunks)
			}
		}
		if r := readAll(t, f, fixtureRows+1, "env-1"); r.err == nil || len(r.chunks) > 0 {
			t.Errorf("reading from behind the end: %v, %v", r.chunks, r.err)
		}
	}
}
