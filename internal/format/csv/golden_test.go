package csv_test

import (
	"bytes"
	stdcsv "encoding/csv"
	"encoding/hex"
	"strings"
	"testing"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/csv"
	"strm/internal/format/formattest"
	"strm/internal/problem"
	"strm/internal/stream"
)

// row returns the row of the vendor's example.
func row(t testing.TB) format.Row {
	t.Helper()
	r := format.Row{At: 1631948170000}
	if _, err := hex.Decode(r.ID[:], []byte("0a61de1b9cdd4455a73993572c9a5f20")); err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t testing.TB, o stream.Output, run format.Run, r format.Row, events ...string) string {
	t.Helper()
	var buf bytes.Buffer
	w, err := csv.Format{}.Rows(&buf, o, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if err := w.Append(r, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func lines(s ...string) string { return strings.Join(s, "\r\n") + "\r\n" }

const person = `{"user_id":123,"name":{"first":"John","last":"Doe"}}`

func TestGolden(t *testing.T) {
	schema := stream.Table{Schema: `{"type":"object","properties":{"user_id":{"type":"integer"},"name":{"type":"object"}}}`}
	many := stream.Table{Schema: `{"properties":{"b":{},"a":{},"B":{},"A":{},"c":{},"C":{}}}`}
	env := func(s stream.EnvelopeStyle) stream.Envelope { return stream.Envelope{Style: s} }
	run := format.Run{SyncID: 10111, GenerationID: 11}
	changed := row(t)
	changed.Changes = []columns.Change{{Field: `a"b`, Change: "NULLED", Reason: "SOURCE_FIELD_SIZE_LIMITATION"}}
	for name, c := range map[string]struct {
		o     stream.Output
		row   format.Row
		event string
		want  string
	}{
		"tarsal": {stream.Output{Envelope: env("tarsal")}, row(t), person, lines(
			`"_tarsal_metadata","data"`,
			`"{""_tarsal_ab_id"":""0a61de1b-9cdd-4455-a739-93572c9a5f20"",""_tarsal_emitted_at"":""1631948170000""}","{""user_id"":123,""name"":{""first"":""John"",""last"":""Doe""}}"`)},
		"tarsal root": {stream.Output{Envelope: env("tarsal"), Flattening: "root", Table: schema}, row(t), person, lines(
			`"_tarsal_emitted_at","_tarsal_ab_id","name","user_id"`,
			`"1631948170000","0a61de1b-9cdd-4455-a739-93572c9a5f20","{""first"":""John"",""last"":""Doe""}","123"`)},
		"tarsal-prose": {stream.Output{Envelope: env("tarsal-prose")}, row(t), person, lines(
			`"_tarsal_emitted_at","data"`,
			`"1631948170000","{""_tarsal_ab_id"":""0a61de1b-9cdd-4455-a739-93572c9a5f20"",""user_id"":123,""name"":{""first"":""John"",""last"":""Doe""}}"`)},
		"tarsal-prose root": {stream.Output{Envelope: env("tarsal-prose"), Flattening: "root"}, row(t), `{}`, lines(
			`"_tarsal_emitted_at","_tarsal_ab_id","data"`,
			`"1631948170000","0a61de1b-9cdd-4455-a739-93572c9a5f20","{}"`)},
		"0.x": {stream.Output{Envelope: env("airbyte-0.x")}, row(t), `{"id":"1"}`, lines(
			`"_airbyte_ab_id","_airbyte_emitted_at","_airbyte_data"`,
			`"0a61de1b-9cdd-4455-a739-93572c9a5f20",1631948170000,"{""id"":""1""}"`)},
		"0.x root, by name": {stream.Output{Envelope: env("airbyte-0.x"), Flattening: "root", Table: many}, row(t), `{"a":1,"B":"x","C":true}`, lines(
			`"_airbyte_ab_id","_airbyte_emitted_at","A","B","C","a","b","c"`,
			`"0a61de1b-9cdd-4455-a739-93572c9a5f20",1631948170000,"","x","true","1","",""`)},
		"1.x": {stream.Output{Envelope: env("airbyte-1.x")}, changed, `{"a":1}`, lines(
			`"_airbyte_raw_id","_airbyte_extracted_at","_airbyte_meta","_airbyte_generation_id","_airbyte_data"`,
			`"0a61de1b-9cdd-4455-a739-93572c9a5f20",1631948170000,"{""sync_id"":10111,""changes"":[{""field"":""a\""b"",""change"":""NULLED"",""reason"":""SOURCE_FIELD_SIZE_LIMITATION""}]}",11,"{""a"":1}"`)},
		"1.x root, as in the schema": {stream.Output{Envelope: env("airbyte-1.x"), Flattening: "root", Table: many}, row(t), `{"b":50000.0000000000000001,"a":99999999999999999999999999999999,"undeclared":1}`, lines(
			`"_airbyte_raw_id","_airbyte_extracted_at","_airbyte_meta","_airbyte_generation_id","b","a","B","A","c","C"`,
			`"0a61de1b-9cdd-4455-a739-93572c9a5f20",1631948170000,"{""sync_id"":10111,""changes"":[]}",11,50000.0000000000000001,99999999999999999999999999999999,"","","",""`)},
		"none": {stream.Output{Table: many}, row(t), `{"b":"","a":null,"B":" x","A":"a,b","c":"l\r\n\"","C":[1, 2]}`, lines(
			`b,a,B,A,c,C`,
			`"",,`+`" x","a,b","l`+"\r\n"+`""","[1, 2]"`)},
		"names and dialect": {stream.Output{
			Envelope:   stream.Envelope{Style: "tarsal", IDName: "id", TimeName: "b"},
			Flattening: "root", Table: many, CSV: stream.CSV{Delimiter: ";", Null: `\N`, Quote: "needed"},
		}, row(t), `{"a":"x;y","b":"\\N","c":"x,y"}`, lines(
			`b;id;A;B;C;a;b_1;c`,
			`1631948170000;0a61de1b-9cdd-4455-a739-93572c9a5f20;\N;\N;\N;"x;y";"\N";x,y`)},
		"the last of a key counts": {stream.Output{Table: stream.Table{Schema: `{"properties":{"a":{}}}`}}, row(t), `{"a":1,"a":2,"\u0061":3}`, lines(`a`, `3`)},
		"a lone null is a row":     {stream.Output{Table: stream.Table{Schema: `{"properties":{"a":{}}}`}}, row(t), `{}`, lines(`a`, `""`)},
		"no header":                {stream.Output{CSV: stream.CSV{NoHeader: true}, Flattening: "none"}, row(t), `{"a":"b"}`, lines(`"{""a"":""b""}"`)},
		"text is UTF-8":            {stream.Output{Table: stream.Table{Schema: `{"properties":{"a":{},"b":{}}}`}}, row(t), "{\"a\":\"x\xff\",\"b\":\"\\ud800\\u00e9\"}", lines(`a,b`, "x\uFFFD,\uFFFDé")},
	} {
		if got := write(t, c.o, run, c.row, c.event); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, o := range map[string]stream.Output{
		"long delimiter":    {CSV: stream.CSV{Delimiter: "||"}},
		"quote":             {CSV: stream.CSV{Delimiter: `"`}},
		"digit":             {CSV: stream.CSV{Delimiter: "1"}},
		"point":             {CSV: stream.CSV{Delimiter: "."}},
		"null holds it":     {CSV: stream.CSV{Null: "a,b"}},
		"unknown quoting":   {CSV: stream.CSV{Quote: "some"}},
		"unknown order":     {Table: stream.Table{Order: "random"}},
		"parquet's":         {Parquet: stream.Parquet{PageBytes: 1}},
		"schema not JSON":   {Table: stream.Table{Schema: `{"properties"`}},
		"schema of text":    {Table: stream.Table{Schema: `{"type":"string"}`}},
		"strict, unknown":   {Table: stream.Table{Schema: `{"properties":{"a":{"type":"potato"}}}`, Strict: true}},
		"odd properties":    {Table: stream.Table{Schema: `{"properties":[]}`}},
		"odd column":        {Table: stream.Table{Schema: `{"properties":{"a":7}}`}},
		"unknown strm_type": {Table: stream.Table{Schema: `{"properties":{"a":{"strm_type":"x"}}}`}},
	} {
		if _, err := (csv.Format{}).Variant(o); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (csv.Format{}).Rows(&bytes.Buffer{}, stream.Output{}, format.Run{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("rows without a schema: %v", err)
	}
}

// FuzzRoundTrip lets encoding/csv read what was written.
func FuzzRoundTrip(f *testing.F) {
	for _, s := range []string{"", " ", "a,b", `"`, "\r\n", "\n", "x\ty", "é", "\xff", `\N`, "null"} {
		for q := range uint8(3) {
			f.Add(s, s+"x", q, ",", "")
			f.Add("", s, q, "\t", `\N`)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string, quote uint8, delimiter, null string) {
		o := stream.Output{
			Table: stream.Table{Schema: `{"properties":{"a":{},"b":{},"n":{}}}`},
			CSV:   stream.CSV{Delimiter: delimiter, Null: null, Quote: []stream.CSVQuote{"all", "non-numeric", "needed"}[quote%3]},
		}
		if _, err := (csv.Format{}).Variant(o); err != nil {
			return
		}
		if len(delimiter) == 0 {
			delimiter = ","
		}
		event := `{"a":` + quoteJSON(a) + `,"n":null,"b":` + quoteJSON(b) + `}`
		text := write(t, o, format.Run{}, format.Row{}, event, event)
		r := stdcsv.NewReader(strings.NewReader(text))
		r.Comma = []rune(delimiter)[0]
		rows, err := r.ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		// The reader makes LF of CR LF, also within cells.
		want := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n") }
		if len(rows) != 3 || len(rows[1]) != 3 || rows[1][0] != want(runes(a)) || rows[1][1] != want(runes(b)) || rows[1][2] != null {
			t.Fatalf("%q, %q came back as %q of %q", a, b, rows, text)
		}
		if n, err := (csv.Format{}).Count(strings.NewReader(text), o); err != nil || n != 2 {
			t.Fatalf("%q: counted %d, %v", text, n, err)
		}
	})
}

// quoteJSON writes a JSON string with the bytes of s as they are.
func quoteJSON(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			b.WriteString(`\u00` + hex.EncodeToString([]byte{c}))
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// runes replaces each byte that is not UTF-8 by U+FFFD.
func runes(s string) string { return string([]rune(s)) }

// Readers of many files take the columns of all from the first: a file without
// events, as the one that tries a bucket is, names none.
func TestNoEventsNameNoColumns(t *testing.T) {
	for _, o := range []stream.Output{{}, {Envelope: stream.Envelope{Style: "tarsal"}, Flattening: "root"}} {
		var buf bytes.Buffer
		if n, err := (csv.Format{}).Encode(&buf, o, formattest.Input(nil)); n != 0 || err != nil || buf.Len() != 0 {
			t.Errorf("%d events, %v: %q", n, err, buf.String())
		}
	}
}

// What the schema does not declare is counted, wherever that makes it vanish.
func TestUndeclaredMembersAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		o    stream.Output
		want int64
	}{
		"flat":        {stream.Output{}, 3},
		"tarsal":      {stream.Output{Envelope: stream.Envelope{Style: "tarsal"}, Flattening: "root"}, 3},
		"not flat":    {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}}, 0},
		"prose, data": {stream.Output{Envelope: stream.Envelope{Style: "tarsal-prose"}, Flattening: "root"}, 0},
	} {
		c.o.Table.Schema = `{"properties":{"a":{"type":"object","properties":{}}}}`
		var lost format.Losses
		write(t, c.o, format.Run{Losses: &lost}, row(t), `{"a":{"kept":1},"b":1}`, `{"c":1,"b":2}`)
		if lost.Members() != c.want || c.want > 0 && (lost.Undeclared[0] != format.Undeclared{Path: "b", Members: 2}) {
			t.Errorf("%s: %+v", name, lost)
		}
	}
	var lost format.Losses
	in := formattest.Input(formattest.Blocks(t, 1, 100))
	in.Losses = &lost
	if _, err := (csv.Format{}).Encode(new(bytes.Buffer), stream.Output{}, in); err != nil || lost.Members() != 0 {
		t.Errorf("found columns: %+v, %v", lost, err)
	}
}
