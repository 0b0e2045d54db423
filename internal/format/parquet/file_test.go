package parquet_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"strm/internal/format"
	"strm/internal/format/formattest"
	"strm/internal/format/parquet"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The bytes behind each Encoder version. When one of these changes (a new
// library, another rule), raise that version in Variant first.
func TestEncodersArePinned(t *testing.T) {
	for c, want := range map[string]string{
		"none":   "parquet-none/3 51a4cc670582f342",
		"snappy": "parquet-snappy/3 f3f909cc6ab5f099",
		"gzip":   "parquet-gzip/3 76d1ff63042717a9",
		"zstd":   "parquet-zstd/3 c5c0667edf8f7bbd",
		"lz4":    "parquet-lz4/3 e78d4d0dd4f775ef",
		"brotli": "parquet-brotli/3 1ef0e422e0e05940",
		"lzo":    "parquet-lzo/3 a914cc56d876d2bd",
	} {
		o := stream.Output{Compression: c, Envelope: stream.Envelope{Style: "airbyte-1.x"}, Parquet: stream.Parquet{RowGroupRows: 5000}}
		var buf bytes.Buffer
		if _, err := (parquet.Format{}).Encode(&buf, o, formattest.Input(formattest.Blocks(t, 1, 4000, 2, 3, 900, 900, 900, 900, 4000, 1))); err != nil {
			t.Fatal(err)
		}
		v, err := parquet.Format{}.Variant(o)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(buf.Bytes())
		if got := v.Encoder + " " + hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%s: got %q, want %q", c, got, want)
		}
	}
}

// What a later schema of fixed columns needs: order, names, physical and logical
// types, repetition.
func TestSchemaIsExact(t *testing.T) {
	const schema = `{"type":"object","properties":{
		"k":{"type":"string","strm_column":"key","strm_required":true},"c":{"type":"integer","strm_required":true},"value":{"type":"number"},"on":{"type":"boolean"},
		"day":{"type":"string","format":"date"},"at":{"type":"string","format":"time"},"ts":{"type":"string","format":"date-time"},"ms":{"strm_type":"timestamp-millis"},
		"props":{"strm_type":"map"},"list":{"type":"array","items":{"type":"string"}},"any":{}}}`
	file := write(t, stream.Output{Table: stream.Table{Schema: schema}}, format.Run{}, nil)
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	// The library shows INT(64) where the file says nothing: look into the file.
	if c := f.Metadata().Schema[2]; c.Name != "c" || c.LogicalType.Value != nil || c.ConvertedType.Valid {
		t.Errorf("%+v", c)
	}
	got := f.Schema().String()
	want := `message event {
	required binary key (STRING);
	required int64 c (INT(64,true));
	optional double value;
	optional boolean on;
	optional int32 day (DATE);
	optional int64 at (TIME(isAdjustedToUTC=true,unit=MICROS));
	optional int64 ts (TIMESTAMP(isAdjustedToUTC=true,unit=MICROS));
	optional int64 ms (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	optional group props (MAP) {
		repeated group key_value {
			required binary key (STRING);
			optional binary value (STRING);
		}
	}
	optional group list (LIST) {
		repeated group list {
			optional binary element (STRING);
		}
	}
	optional binary any (STRING);
}`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestEnvelopesHaveTheirColumns(t *testing.T) {
	for style, want := range map[stream.EnvelopeStyle]string{
		"":            "b a",
		"tarsal":      "_tarsal_emitted_at _tarsal_ab_id b a",
		"airbyte-0.x": "_airbyte_ab_id _airbyte_emitted_at b a _airbyte_additional_properties",
		"airbyte-1.x": "_airbyte_raw_id _airbyte_extracted_at _airbyte_meta _airbyte_generation_id b a",
	} {
		o := stream.Output{Envelope: stream.Envelope{Style: style}, Table: stream.Table{Schema: `{"properties":{"b":{"type":"string"},"a":{"type":"string"}}}`}}
		file := write(t, o, format.Run{}, nil, `{"a":"x","c":{"d":1},"é\n":"\u00e9"}`)
		f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, c := range f.Schema().Fields() {
			names = append(names, c.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s", style, got)
		}
		if _, _, rows := read(t, file); style == "airbyte-0.x" && !strings.Contains(rows[0], `"_airbyte_additional_properties":{"c":`) {
			t.Errorf("%s: %s", style, rows)
		}
	}
}

func TestColumnsAreFound(t *testing.T) {
	events := `{"z":1,"a":true,"m":1.5,"s":"x","o":{"a":1},"mix":1,"big":1}
{"z":9007199254740993,"m":2,"s":null,"o":null,"mix":"one","big":99999999999999999999999999999999,"nothing":null,"":"empty","z2":9007199254740993}
{"a":false,"z2":0.5,"l":[1]}
`
	_, _, rows := encode(t, stream.Output{}, events)
	want := []string{
		`{"_":null,"a":true,"big":"1","l":null,"m":1.5,"mix":"1","nothing":null,"o":"{\"a\":1}","s":"x","z":1,"z2":null}`,
		`{"_":"empty","a":null,"big":"99999999999999999999999999999999","l":null,"m":2,"mix":"\"one\"","nothing":null,"o":null,"s":null,"z":9007199254740993,"z2":"9007199254740993"}`,
		`{"_":null,"a":false,"big":null,"l":"[1]","m":null,"mix":null,"nothing":null,"o":null,"s":null,"z":null,"z2":"0.5"}`,
	}
	for i := range want {
		if i >= len(rows) || !sameMembers(t, rows[i], want[i]) {
			t.Errorf("row %d: got %s\nwant %s", i, rows, want[i])
		}
	}
	if _, _, rows := encode(t, stream.Output{}, "{}\n{}\n"); len(rows) != 2 || rows[0] != `{"data":"{}"}` {
		t.Errorf("events of nothing: %s", rows)
	}
}

// A sender of ever new keys gets a file that can be read, with nothing missing.
func TestKeysBeyondTheBoundAreGathered(t *testing.T) {
	var b strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&b, `{"k%d":%d,"same":true}`+"\n", i, i)
	}
	fmt.Fprintf(&b, `{"%s":1}`+"\n", strings.Repeat("x", 600))
	_, _, rows := encode(t, stream.Output{}, b.String())
	if len(rows) != 1501 || !strings.Contains(rows[1400], `"_additional_properties":{"k1400":`) || !strings.Contains(rows[1500], `xxx":"MQ=="`) {
		t.Errorf("%d rows, %.300s", len(rows), rows[min(1400, len(rows)-1)])
	}
}

// encode encodes lines of events as an exporter does.
func encode(t *testing.T, o stream.Output, text string) (string, func(string) string, []string) {
	t.Helper()
	b := stream.Block{Gzip: pack(t, text), BlockHeader: stream.BlockHeader{Events: int64(strings.Count(text, "\n")), Raw: int64(len(text))}}
	b.Range.End = stream.Offset(b.Events)
	var buf bytes.Buffer
	n, err := parquet.Format{}.Encode(&buf, o, format.Input{Blocks: func() format.Blocks { return seq([]stream.Block{b}) }})
	if err != nil || n != b.Events {
		t.Fatal(n, err)
	}
	return read(t, buf.Bytes())
}

func TestNulledValuesAreCountedInTheFile(t *testing.T) {
	o := stream.Output{Table: stream.Table{Schema: `{"properties":{"i":{"type":"integer"},"b":{"type":"boolean"}}}`}}
	_, meta, _ := read(t, write(t, o, format.Run{}, nil, `{"i":"x","b":1}`, `{"i":1e30}`, `{"i":"x"}`, `{"i":1}`))
	if got, want := meta("strm.nulled"), `{"b":{"DESTINATION_SERIALIZATION_ERROR":1},"i":{"DESTINATION_FIELD_SIZE_LIMITATION":1,"DESTINATION_SERIALIZATION_ERROR":2}}`; got != want {
		t.Errorf("got %s", got)
	}
}

func TestUndeclaredMembersAreCountedInTheFile(t *testing.T) {
	const schema = `{"properties":{"i":{"type":"integer"},"o":{"type":"object","properties":{"a":{}}},"l":{"type":"array","items":{"type":"object","properties":{"a":{}}}},` +
		`"u":{"oneOf":[{"type":"string"},{"type":"object","properties":{"a":{}}}]},"free":{"type":"object"},"m":{"type":"object","strm_type":"map","additionalProperties":{"type":"object","properties":{"a":{}}}}}}`
	events := []string{
		`{"i":1,"x":1,"o":{"a":1,"b":2},"l":[{"a":1},{"c":2},{"c":3,"d":4}],"u":{"a":1,"e":2},"free":{"any":1},"m":{"k":{"a":1,"f":2},"k2":{"f":3}}}`,
		`{"i":1,"x":null,"o":{"b":{"b":1}},"u":"text"}`,
		`{"i":"no"}`,
	}
	const want = `{"l.[].c":2,"l.[].d":1,"m.*.f":2,"o.b":2,"u.e":1,"x":2}`
	for name, c := range map[string]struct {
		env    stream.EnvelopeStyle
		schema string
		want   string
		total  int64
	}{
		"bare":       {"", schema, want, 10},
		"enveloped":  {"airbyte-1.x", schema, want, 10},
		"no columns": {"airbyte-1.x", `{"properties":{}}`, `{"free":1,"i":3,"l":1,"m":1,"o":2,"u":2,"x":2}`, 12},
		"the rest":   {"airbyte-0.x", schema, strings.Replace(want, `,"x":2`, "", 1), 8},
		"data":       {"", `{"properties":{}}`, "", 0},
	} {
		o := stream.Output{Envelope: stream.Envelope{Style: c.env}, Table: stream.Table{Schema: c.schema}}
		var lost format.Losses
		_, meta, _ := read(t, write(t, o, format.Run{Losses: &lost}, nil, events...))
		if got := meta("strm.undeclared"); got != c.want || lost.Members() != c.total {
			t.Errorf("%s: %s, %d in all; want %s", name, got, lost.Members(), c.want)
		}
		if nulled := meta("strm.nulled") != ""; nulled != (lost.Nulled == 1) {
			t.Errorf("%s: nulled %s, %d", name, meta("strm.nulled"), lost.Nulled)
		}
	}
	// What is found in the events is declared by them.
	var lost format.Losses
	var buf bytes.Buffer
	in := formattest.Input(formattest.Blocks(t, 1, 100))
	in.Losses = &lost
	if _, err := (parquet.Format{}).Encode(&buf, stream.Output{}, in); err != nil || lost.Members() != 0 {
		t.Errorf("%+v, %v", lost, err)
	}
	// Names beyond the bound are summed.
	var many []string
	for i := range 150 {
		many = append(many, fmt.Sprintf(`{"k%03d":1,"k":1}`, i))
	}
	o := stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}, Table: stream.Table{Schema: `{"properties":{}}`}}
	_, meta, _ := read(t, write(t, o, format.Run{}, nil, many...))
	if got := meta("strm.undeclared"); !strings.HasPrefix(got, `{"":51,"k":150,"k000":1,`) {
		t.Errorf("got %s", got)
	}
}

func TestChangesAreBounded(t *testing.T) {
	o := stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}, Table: stream.Table{Schema: `{"properties":{"a":{"type":"array","items":{"type":"integer"}}}}`}}
	_, _, rows := read(t, write(t, o, format.Run{}, nil, `{"a":[`+strings.Repeat(`"x",`, 999)+`"x"]}`))
	if n := strings.Count(rows[0], "NULLED"); n != 101 || !strings.Contains(rows[0], `"field":"900 more"`) {
		t.Errorf("%d changes: %s", n, rows[0])
	}
}

func TestRowGroups(t *testing.T) {
	const schema = `{"properties":{"id":{"type":"integer"},"few":{"type":"string"},"many":{"type":"string"}}}`
	for name, c := range map[string]struct {
		p    stream.Parquet
		want []int64
	}{
		"rows":     {stream.Parquet{RowGroupRows: 300}, []int64{300, 300, 300, 100}},
		"bytes":    {stream.Parquet{RowGroupBytes: 40 << 10}, []int64{661, 339}},
		"defaults": {stream.Parquet{}, []int64{1000}},
	} {
		var events []string
		for i := range 1000 {
			events = append(events, fmt.Sprintf(`{"id":%09d,"few":"%d","many":"%026d"}`, 100000000+i, i%3, i))
		}
		file := write(t, stream.Output{Table: stream.Table{Schema: schema}, Parquet: c.p}, format.Run{}, nil, events...)
		f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, g := range f.Metadata().RowGroups {
			got = append(got, g.NumRows)
			if few, many := g.Columns[1].MetaData.DictionaryPageOffset, g.Columns[2].MetaData.DictionaryPageOffset; few == 0 || many != 0 {
				t.Errorf("%s: dictionary pages at %d and %d", name, few, many)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: row groups of %v", name, got)
		}
		if _, _, rows := read(t, file); len(rows) != 1000 || rows[999] != `{"few":"0","id":100000999,"many":"00000000000000000000000999"}` {
			t.Errorf("%s: %d rows, the last is %s", name, len(rows), rows[len(rows)-1])
		}
	}
}

func TestHostileEvents(t *testing.T) {
	o := stream.Output{Table: stream.Table{Schema: `{"properties":{"s":{"type":"string"},"a":{"type":"array","items":{"type":"array","items":{"type":"integer"}}},"x":{"type":"object"}}}`}}
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	huge := strings.Repeat("é", 3<<20)
	_, _, rows := read(t, write(t, o, format.Run{}, nil,
		`{"s":"`+huge+`"}`, `{"a":`+deep+`}`, `{"x":`+deep+`}`, "{\"s\":\"\xff\xfe\",\"x\":{\"\xff\":1}}", `{"s":"\ud83d\ude00\ud800"}`, `{"a":[[1,{]}`, `{"a":[`+strings.Repeat("[],", 50_000)+`[]]}`))
	if len(rows) != 7 || !strings.Contains(rows[0], huge) || rows[1] != `{"a":[[null]],"s":null,"x":null}` || !strings.Contains(rows[2], deep) ||
		rows[3] != `{"a":null,"s":"`+"\uFFFD\uFFFD"+`","x":"{\"`+"\uFFFD"+`\":1}"}` || rows[4] != `{"a":null,"s":"😀`+"\uFFFD"+`","x":null}` || strings.Count(rows[6], "[]") != 50_001 {
		t.Errorf("%d rows: %.200s, %s, %s, %s", len(rows), rows[1], rows[3], rows[4], rows[5])
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, o := range map[string]stream.Output{
		"not flat":      {Flattening: "none"},
		"negative":      {Parquet: stream.Parquet{PageBytes: -1}},
		"huge":          {Parquet: stream.Parquet{RowGroupBytes: 1 << 40}},
		"csv's":         {CSV: stream.CSV{Null: "x"}},
		"order":         {Table: stream.Table{Order: "x"}},
		"strict":        {Table: stream.Table{Strict: true, Schema: `{"properties":{"a":{"oneOf":[{"type":"object","properties":{"f":{"type":"string"}}},{"type":"object"}]}}}`}},
		"bzip2":         {Compression: "bzip2"},
		"many columns":  {Table: stream.Table{Schema: `{"properties":{` + manyProperties(5001) + `}}`}},
		"large schema":  {Table: stream.Table{Schema: `{"x":"` + strings.Repeat("x", 1<<20) + `"}`}},
		"not an object": {Table: stream.Table{Schema: `[]`}},
	} {
		if _, err := (parquet.Format{}).Variant(o); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (parquet.Format{}).Rows(io.Discard, stream.Output{}, format.Run{}); problem.KindOf(err) != problem.Invalid {
		t.Errorf("rows without a schema: %v", err)
	}
}

func manyProperties(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"p%d":{}`, i)
	}
	return b.String()
}

// A damaged file is reported, whatever byte is wrong.
func TestCountSurvivesDamage(t *testing.T) {
	file := write(t, stream.Output{Table: stream.Table{Schema: `{"properties":{"a":{"type":"string"},"l":{"type":"array","items":{"type":"integer"}}}}`}}, format.Run{}, nil, `{"a":"x","l":[1]}`, `{}`)
	for i := range file {
		for _, flip := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(file)
			bad[i] ^= flip
			if n, err := (parquet.Format{}).Count(bytes.NewReader(bad), stream.Output{}); err != nil && problem.KindOf(err) != problem.Corrupt {
				t.Fatalf("byte %d: %d, %v", i, n, err)
			}
		}
	}
	for n := range len(file) {
		if _, err := (parquet.Format{}).Count(bytes.NewReader(file[:n]), stream.Output{}); problem.KindOf(err) != problem.Corrupt {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
}

// The footer holds the smallest and largest value of a column as they are: not
// of columns with huge ones.
func TestHugeValuesStayOutOfTheFooter(t *testing.T) {
	o := stream.Output{Compression: "zstd", Table: stream.Table{Schema: `{"properties":{"a":{"type":"string"},"o":{"type":"object","properties":{"s":{"type":"string"}}}}}`}}
	huge := strings.Repeat("huge ", 200_000)
	var events []string
	for range 600 {
		events = append(events, `{"a":"small","o":{"s":"x"}}`)
	}
	events[300] = `{"a":"` + huge + `","o":{"s":"x"}}`
	file := write(t, o, format.Run{}, nil, events...)
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, g := range f.Metadata().RowGroups {
		a, s := g.Columns[0].MetaData.Statistics, g.Columns[1].MetaData.Statistics
		got = append(got, fmt.Sprintf("%d %q %q", g.NumRows, a.MaxValue, s.MaxValue))
	}
	if want := `[300 "small" "x" 300 "" "x"]`; fmt.Sprint(got) != want {
		t.Errorf("got %s", got)
	}
	if len(file) > 4<<10 {
		t.Errorf("a file of %d bytes", len(file))
	}
	if _, _, rows := read(t, file); len(rows) != 600 || !strings.Contains(rows[300], huge) {
		t.Error("the rows are not those that were written")
	}
}
