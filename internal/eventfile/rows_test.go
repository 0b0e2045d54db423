package eventfile

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"strm/internal/stream"
)

// good is a row that holds.
func good() testRow {
	return testRow{env: ptr("env-1"), traffic: ptr("user"), kind: ptr("click"), key: ptr("k"), timestamp: 1795161463647}
}

// readRows has rows written and read. Both a dictionary and plain texts are tried, and must give the same.
func readRows(t *testing.T, rows []testRow, l Limits) result {
	t.Helper()
	var out result
	for i, dict := range []bool{false, true} {
		o := madeOptions{}
		if dict {
			o.change = func(g parquet.Group) {
				for _, name := range []string{"environmentId", "trafficTypeId", "eventTypeId", "key"} {
					g[name] = parquet.Encoded(g[name], &parquet.RLEDictionary)
				}
				text := func() parquet.Node { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }
				g["properties"] = parquet.Optional(parquet.Map(text(), parquet.Optional(text())))
			}
		}
		f, err := openBytes(t, madeFile(t, rows, o), l)
		if err != nil {
			t.Fatal(err)
		}
		r := readAll(t, f, 0, "env-1", "env-2")
		if r.err != nil {
			t.Fatal(r.err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if i > 0 && (r.data != out.data || fmt.Sprint(r.tally.Entries()) != fmt.Sprint(out.tally.Entries())) {
			t.Errorf("with a dictionary:\n%s%v\nwithout:\n%s%v", r.data, r.tally.Entries(), out.data, out.tally.Entries())
		}
		out = r
	}
	return out
}

func TestRowChecks(t *testing.T) {
	bad := ptr("a\xffb")
	for name, c := range map[string]struct {
		change func(*testRow)
		want   string // of countsOf; empty: accepted
	}{
		"as it should be":     {func(*testRow) {}, ""},
		"empty texts":         {func(r *testRow) { r.traffic, r.kind, r.key = ptr(""), ptr(""), ptr("") }, ""},
		"the first timestamp": {func(r *testRow) { r.timestamp = 1e11 }, ""},
		"the last timestamp":  {func(r *testRow) { r.timestamp = 1e14 - 1 }, ""},
		"before the first":    {func(r *testRow) { r.timestamp = 1e11 - 1 }, "INVALID_TIMESTAMP: timestamp is in seconds, not milliseconds"},
		"behind the last":     {func(r *testRow) { r.timestamp = 1e14 }, "INVALID_TIMESTAMP: timestamp is in microseconds, not milliseconds"},
		"zero":                {func(r *testRow) { r.timestamp = 0 }, "INVALID_TIMESTAMP: timestamp is zero or negative"},
		"negative":            {func(r *testRow) { r.timestamp = math.MinInt64 }, "INVALID_TIMESTAMP: timestamp is zero or negative"},
		"days":                {func(r *testRow) { r.timestamp = 20777 }, "INVALID_TIMESTAMP: timestamp is too small for milliseconds"},
		"nanoseconds":         {func(r *testRow) { r.timestamp = 1795161463647000000 }, "INVALID_TIMESTAMP: timestamp is in nanoseconds, not milliseconds"},
		"null key":            {func(r *testRow) { r.key = nil }, "REQUIRED_FIELDS_NULL: key is null"},
		"all null": {func(r *testRow) { *r = testRow{noTime: true} },
			"REQUIRED_FIELDS_NULL: environmentId is null; trafficTypeId is null; eventTypeId is null; key is null; timestamp is null"},
		"empty environment": {func(r *testRow) { r.env = ptr("") }, "INVALID_ENVIRONMENT_ID: environment  is not one of this importer"},
		"all at once": {func(r *testRow) { r.env, r.key, r.timestamp = ptr("env-9"), nil, 5 },
			"INVALID_ENVIRONMENT_ID: environment env-9 is not one of this importer | REQUIRED_FIELDS_NULL: key is null | INVALID_TIMESTAMP: timestamp is too small for milliseconds"},
		"bad environment":   {func(r *testRow) { r.env = bad }, "REQUIRED_FIELDS_NULL: environmentId is not UTF-8 text"},
		"bad traffic type":  {func(r *testRow) { r.traffic = bad }, "REQUIRED_FIELDS_NULL: trafficTypeId is not UTF-8 text"},
		"bad event type":    {func(r *testRow) { r.kind = bad }, "REQUIRED_FIELDS_NULL: eventTypeId is not UTF-8 text"},
		"bad key":           {func(r *testRow) { r.key = bad }, "REQUIRED_FIELDS_NULL: key is not UTF-8 text"},
		"a surrogate":       {func(r *testRow) { r.key = ptr("\xed\xa0\x80") }, "REQUIRED_FIELDS_NULL: key is not UTF-8 text"},
		"bad property":      {func(r *testRow) { r.properties = [][2]*string{{ptr("a"), bad}} }, "REQUIRED_FIELDS_NULL: properties has text that is not UTF-8"},
		"bad property name": {func(r *testRow) { r.properties = [][2]*string{{bad, ptr("a")}} }, "REQUIRED_FIELDS_NULL: properties has text that is not UTF-8"},
		"not a number":      {func(r *testRow) { r.value = ptr(math.NaN()) }, "REQUIRED_FIELDS_NULL: value is NaN or infinite; null means no value"},
		"infinite":          {func(r *testRow) { r.value = ptr(math.Inf(-1)) }, "REQUIRED_FIELDS_NULL: value is NaN or infinite; null means no value"},
		"the longest row":   {func(r *testRow) { r.key = ptr(strings.Repeat("x", 1000-len(good().line(t))+2)) }, ""},
		"one byte longer":   {func(r *testRow) { r.key = ptr(strings.Repeat("x", 1000-len(good().line(t))+3)) }, "REQUIRED_FIELDS_NULL: the row is too long"},
		"a long key":        {func(r *testRow) { r.key = ptr(strings.Repeat("x", 100_000)) }, "REQUIRED_FIELDS_NULL: the row is too long"},
		"a long property":   {func(r *testRow) { r.properties = [][2]*string{{ptr("a"), ptr(strings.Repeat("\n", 900))}} }, "REQUIRED_FIELDS_NULL: the row is too long"},
		"many properties": {func(r *testRow) {
			for i := range 300 {
				r.properties = append(r.properties, [2]*string{ptr(fmt.Sprint("p", i)), ptr("v")})
			}
		}, "REQUIRED_FIELDS_NULL: the row is too long"},
		"all sorts of texts": {func(r *testRow) { r.key = ptr("\x00\x1f\" \\ / \b\f\r\n\t é 日本 🎉 \u2028 \x7f <&>") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.change(&r)
			got := readRows(t, []testRow{good(), r, good()}, Limits{Row: 1000})
			want := map[string]int64{"": 2}
			want[c.want]++
			if n := countsOf(got.tally.Entries()); fmt.Sprint(n) != fmt.Sprint(want) {
				t.Errorf("entries %v, want %v", n, want)
			}
			lines := strings.SplitAfter(strings.TrimSuffix(got.data, "\n"), "\n")
			if c.want != "" {
				same(t, got.data, good().line(t)+good().line(t))
				return
			}
			var m map[string]any
			if err := json.Unmarshal([]byte(lines[1]), &m); err != nil || len(lines) != 3 {
				t.Fatalf("%v: %s", err, got.data)
			}
			if m["key"] != *r.key || m["trafficTypeId"] != *r.traffic || m["eventTypeId"] != *r.kind || m["environmentId"] != *r.env {
				t.Errorf("%v", m)
			}
		})
	}
}

// A property without a name can only be in a file whose map allows it.
func TestNullNames(t *testing.T) {
	r := good()
	r.properties = [][2]*string{{ptr("a"), ptr("1")}, {nil, ptr("2")}}
	b := madeFile(t, []testRow{good(), r}, madeOptions{change: func(g parquet.Group) {
		g["properties"] = parquet.Optional(nullableMap{parquet.Map(parquet.String(), parquet.Optional(parquet.String()))})
	}})
	got := readAll(t, mustOpen(t, b), 0, "env-1")
	if n := fmt.Sprint(countsOf(got.tally.Entries())); got.err != nil || n != "map[:1 REQUIRED_FIELDS_NULL: properties has a null key:1]" {
		t.Errorf("%v, %v", n, got.err)
	}
}

// nullableMap is a map whose keys may be null, which parquet-go does not make.
type nullableMap struct{ parquet.Node }

func (n nullableMap) Fields() []parquet.Field {
	entry := parquet.Group{"key": parquet.Optional(parquet.String()), "value": parquet.Optional(parquet.String())}
	return parquet.Group{"key_value": parquet.Repeated(entry)}.Fields()
}

func TestProperties(t *testing.T) {
	pairs := func(kv ...string) (out [][2]*string) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, [2]*string{ptr(kv[i]), ptr(kv[i+1])})
		}
		return out
	}
	for _, c := range []struct {
		have [][2]*string
		want string
	}{
		{nil, "null"},
		{[][2]*string{}, "{}"},
		{pairs("b", "1", "a", "2"), `{"b":"1","a":"2"}`},
		{pairs("", ""), `{"":""}`},
		{pairs("a", "1", "b", "2", "a", "3"), `{"b":"2","a":"3"}`},
		{pairs("a", "1", "a", "2", "a", "3"), `{"a":"3"}`},
		{pairs("a", "1", "b", "2", "b", "3", "c", "4"), `{"a":"1","b":"3","c":"4"}`},
		{[][2]*string{{ptr("a"), ptr("1")}, {ptr("a"), nil}}, `{"a":null}`},
		{pairs("\"", "\"", `\"`, "x"), `{"\"":"\"","\\\"":"x"}`},
	} {
		r := good()
		r.properties = c.have
		got := readRows(t, []testRow{r}, Limits{}).data
		if !strings.HasSuffix(got, `,"properties":`+c.want+"}\n") {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	// Many of them, with names that come again, as a map would have them.
	rng := rand.New(rand.NewPCG(5, 6))
	var rows []testRow
	var want []map[string]string
	for i := range 60 {
		r, m := good(), map[string]string{}
		r.properties = [][2]*string{}
		for n := range rng.IntN(200 * (i%3 + 1)) {
			k, v := fmt.Sprintf("p%d", rng.IntN(150)), strconv.Itoa(n)
			r.properties = append(r.properties, [2]*string{&k, &v})
			m[k] = v
		}
		rows, want = append(rows, r), append(want, m)
	}
	lines := strings.Split(strings.TrimSpace(readRows(t, rows, Limits{}).data), "\n")
	for i, line := range lines {
		var got struct{ Properties map[string]string }
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got.Properties) != fmt.Sprint(want[i]) || strings.Count(line, `":"`) != len(want[i])+4 {
			t.Fatalf("row %d: %s, want %v", i, line, want[i])
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1.0 / 3, 1e20, 1e21, 1e22, -1e300, 5e-324, 1e-6, 1e-7, 123456789.125,
		1 << 53, 1<<53 + 2, -(1 << 53), math.MaxFloat64, math.MaxInt64, math.MinInt64, math.Pi} {
		b := appendDouble(nil, f)
		got, err := strconv.ParseFloat(string(b), 64)
		if err != nil || got != f || math.Signbit(got) != math.Signbit(f) || !json.Valid(b) {
			t.Errorf("%v became %s", f, b)
		}
		std, err := json.Marshal(f)
		if err != nil || len(b) > len(std)+1 {
			t.Errorf("%s, encoding/json has %s", b, std)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add([]byte("plain text that is long"))
	f.Add([]byte("\"\\\x00é\xff"))
	f.Add([]byte("1234567\""))
	for n := range 20 { // each place of what is looked at eight bytes at once
		for at := range n {
			for _, c := range []byte{0, 0x1f, '"', '\\', 0x7f, 0x80, 0xff} {
				b := []byte(strings.Repeat("a", n))
				b[at] = c
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := appendQuoted([]byte("x"), b)
		if ok != utf8.Valid(b) {
			t.Fatalf("%q: %v", b, ok)
		}
		if !ok {
			return
		}
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil || back != string(b) {
			t.Fatalf("%q became %s, %v", b, got, err)
		}
		if n := quotedLen(b); n < len(got)-1 || n > len(got)-1+6*len(b) {
			t.Fatalf("%q: %d bytes, %d were foreseen", b, len(got)-1, n)
		}
	})
}

// A tally has at most 100 groups, whatever the rows, and counts them all.
func TestTally(t *testing.T) {
	var rows []testRow
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range 4000 {
		r := good()
		r.env = ptr(fmt.Sprintf("env-%d-%s", i, strings.Repeat("é", i%90)))
		if rng.IntN(2) == 0 {
			r.traffic = nil
		}
		if rng.IntN(2) == 0 {
			r.kind = nil
		}
		if rng.IntN(2) == 0 {
			r.key = nil
		}
		if rng.IntN(2) == 0 {
			r.value = ptr(math.NaN())
		}
		r.timestamp = []int64{1, 1e9, 1e12, 1e15, 1e18, -1}[rng.IntN(6)]
		rows = append(rows, r)
	}
	r := readRows(t, rows, Limits{})
	entries := r.tally.Entries()
	if len(entries) > 100 || len(entries) < 50 {
		t.Errorf("%d entries", len(entries))
	}
	var sum int64
	seen := map[string]bool{}
	for i, e := range entries {
		sum += e.Rows
		what := fmt.Sprint(e.Valid, e.Errors, e.Details, e.Warnings)
		if seen[what] || e.EntryID != i+1 || len(e.Errors) != len(e.Details) || e.Valid != (len(e.Errors) == 0) {
			t.Errorf("entry %+v", e)
		}
		seen[what] = true
		for _, d := range e.Details {
			if len(d) > 250 || !utf8.ValidString(d) {
				t.Errorf("detail %q", d)
			}
		}
	}
	if sum != 4000 || r.tally.Rows() != 4000 || r.tally.Accepted() != 0 {
		t.Errorf("%d rows in entries, %d in the tally", sum, r.tally.Rows())
	}
	for _, want := range []string{"an environment that is not one of this importer", "fields are null or cannot be stored", "timestamp is not in milliseconds"} {
		if !strings.Contains(fmt.Sprint(entries), want) {
			t.Errorf("no entry says %q", want)
		}
	}
}

func TestWholeFiles(t *testing.T) {
	var tally Tally
	tally.Refuse(stream.ErrSchema, "the file is empty")
	if got := fmt.Sprintf("%+v", tally.Entries()); got != fmt.Sprintf("%+v", []stream.StatusEntry{{EntryID: 1, Rows: 1, Errors: []stream.RowError{stream.ErrSchema}, Details: []string{"the file is empty"}}}) {
		t.Error(got)
	}
	r := readRows(t, nil, Limits{})
	if e := r.tally.Entries(); len(e) != 1 || !e[0].Valid || e[0].Rows != 0 || len(r.chunks) != 0 {
		t.Errorf("a file of no rows: %+v", e)
	}
	r = readRows(t, []testRow{good()}, Limits{})
	r.tally.Refuse(stream.ErrSchema, "damaged")
	if e := r.tally.Entries(); len(e) != 2 || e[0].Rows != 1 || !e[0].Valid || e[1].EntryID != 2 || e[1].Valid {
		t.Errorf("damaged in the middle: %+v", e)
	}
}
