package registry

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"

	"strm/internal/problem"
	"strm/internal/record"
)

// value builds Avro bytes by hand, so that the tests do not trust a library.
type value []byte

func (v value) long(n int64) value  { return binary.AppendVarint(v, n) }
func (v value) raw(b ...byte) value { return append(v, b...) }
func (v value) text(s string) value { return append(v.long(int64(len(s))), s...) }
func (v value) float(f float32) value {
	return binary.LittleEndian.AppendUint32(v, math.Float32bits(f))
}
func (v value) double(f float64) value {
	return binary.LittleEndian.AppendUint64(v, math.Float64bits(f))
}

func mustCompile(t testing.TB, schema string) *node {
	t.Helper()
	s, err := parse(schema, &avro.SchemaCache{})
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	n, err := compile(s)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	return n
}

// one is a record with one field x of this type.
func one(typ string) string {
	return `{"type":"record","name":"One","fields":[{"name":"x","type":` + typ + `}]}`
}

// TestWhatBecomesOfAvroTypes pins the lines: objects are written again after
// years, and must be the same.
func TestWhatBecomesOfAvroTypes(t *testing.T) {
	micros := time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC).UnixMicro()
	for _, c := range []struct {
		typ  string
		in   value
		want string
	}{
		{`"null"`, value{}, `null`},
		{`"boolean"`, value{1}, `true`},
		{`"boolean"`, value{0}, `false`},
		{`"int"`, value{}.long(math.MinInt32), `-2147483648`},
		{`"long"`, value{}.long(math.MaxInt64), `9223372036854775807`},
		{`"long"`, value{}.long(math.MinInt64), `-9223372036854775808`},
		{`"float"`, value{}.float(0.1), `0.1`},
		{`"double"`, value{}.double(0.1), `0.1`},
		{`"double"`, value{}.double(100), `100`},
		{`"double"`, value{}.double(1e21), `1e+21`},
		{`"double"`, value{}.double(-1e-7), `-1e-07`},
		{`"double"`, value{}.double(math.Copysign(0, -1)), `-0`},
		{`"double"`, value{}.double(math.NaN()), `null`},
		{`"float"`, value{}.float(float32(math.Inf(-1))), `null`},
		{`"string"`, value{}.text("a\"\\/\n\r\t\x01é\u2028😀"), `"a\"\\/\n\r\t\u0001é` + "\u2028" + `😀"`},
		{`"string"`, value{}.text(""), `""`},
		{`"bytes"`, value{}.text("\xff\x00\x10\x80"), `"/wAQgA=="`},
		{`{"type":"fixed","name":"F","size":3}`, value("abc"), `"YWJj"`},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, value{}.long(1), `"B"`},
		{`["null","string"]`, value{}.long(0), `null`},
		{`["null","string"]`, value{}.long(1).text("s"), `"s"`},
		{`["null","long",{"type":"record","name":"R","fields":[{"name":"y","type":"int"}]}]`, value{}.long(2).long(-1), `{"y":-1}`},
		{`{"type":"array","items":"int"}`, value{0}, `[]`},
		{`{"type":"array","items":"int"}`, value{}.long(2).long(1).long(2).long(-1).long(1).long(3).long(0), `[1,2,3]`}, // the second run with its length
		{`{"type":"map","values":"int"}`, value{0}, `{}`},
		{`{"type":"map","values":"int"}`, value{}.long(2).text("b").long(2).text("a").long(1).long(1).text("aa").long(3).long(0), `{"a":1,"aa":3,"b":2}`},
		{`{"type":"map","values":"int"}`, value{}.long(3).text("a").long(1).text("b").long(2).text("a").long(3).long(0), `{"a":3,"b":2}`},
		{`{"type":"map","values":{"type":"map","values":"int"}}`, value{}.long(2).text("z").long(2).text("y").long(1).text("x").long(2).long(0).
			text("q").long(2).text("d").long(3).text("c").long(4).long(0).long(0), `{"q":{"c":4,"d":3},"z":{"x":2,"y":1}}`},
		{`{"type":"int","logicalType":"date"}`, value{}.long(20516), `"2026-03-04"`},
		{`{"type":"int","logicalType":"date"}`, value{}.long(-1), `"1969-12-31"`},
		{`{"type":"int","logicalType":"date"}`, value{}.long(math.MaxInt32), `"+5881580-07-11"`},
		{`{"type":"int","logicalType":"date"}`, value{}.long(-800000), `"-000221-09-04"`},
		{`{"type":"int","logicalType":"time-millis"}`, value{}.long(18367089), `"05:06:07.089"`},
		{`{"type":"long","logicalType":"time-micros"}`, value{}.long(86399999999), `"23:59:59.999999"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, value{}.long(micros / 1000), `"2026-03-04T05:06:07.089Z"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, value{}.long(-1), `"1969-12-31T23:59:59.999Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, value{}.long(micros), `"2026-03-04T05:06:07.089000Z"`},
		{`{"type":"long","logicalType":"timestamp-nanos"}`, value{}.long(micros*1000 + 1), `"2026-03-04T05:06:07.089000001Z"`},
		{`{"type":"long","logicalType":"local-timestamp-millis"}`, value{}.long(micros / 1000), `"2026-03-04T05:06:07.089"`},
		{`{"type":"long","logicalType":"local-timestamp-micros"}`, value{}.long(micros), `"2026-03-04T05:06:07.089000"`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, value{}.long(math.MaxInt64), `"+292278994-08-17T07:12:55.807Z"`},
		{`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, value{}.text("\x04\xd2"), `"12.34"`},
		{`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, value{}.text("\xff"), `"-0.01"`},
		{`{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}`, value{}.text(""), `"0.00"`},
		{`{"type":"bytes","logicalType":"decimal","precision":9}`, value{}.text("\xfb\x2e"), `"-1234"`},
		{`{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":9,"scale":3}`, value("\x00\x00\x03\xe8"), `"1.000"`},
		{`{"type":"string","logicalType":"uuid"}`, value{}.text("not looked at"), `"not looked at"`},
		{`{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, value("\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"), `"01234567-89ab-cdef-0123-456789abcdef"`},
		{`{"type":"fixed","name":"T","size":12,"logicalType":"duration"}`, value("\x01\x00\x00\x00\x02\x00\x00\x00\xea\x03\x00\x00"), `"P1M2DT1.002S"`},
		{`{"type":"long","logicalType":"of-somebody"}`, value{}.long(7), `7`},
		{`{"type":"string","logicalType":"date"}`, value{}.text("x"), `"x"`}, // on a type that is not its own
	} {
		got, err := mustCompile(t, one(c.typ)).appendLine([]byte("before "), c.in, 1000)
		if want := `before {"x":` + c.want + "}\n"; err != nil || string(got) != want {
			t.Errorf("%s % x: %q, %v; want %q", c.typ, c.in, got, err, want)
		}
		if strings.HasPrefix(string(got), "before ") && !json.Valid(got[7:]) {
			t.Errorf("%s: %s is no JSON", c.typ, got)
		}
	}
}

func TestFieldsStandInTheOrderOfTheSchema(t *testing.T) {
	n := mustCompile(t, `{"type":"record","name":"Tree","namespace":"a.b","fields":[
		{"name":"z","type":"int"},{"name":"a","type":["null","Tree"]},{"name":"again","type":{"type":"array","items":"a.b.Tree"}}]}`)
	leaf := value{}.long(2).long(0).long(0)
	in := append(value{}.long(1).long(1), leaf...)
	in = append(append(in.long(1), leaf...), 0)
	got, err := n.appendLine(nil, in, 1000)
	if want := `{"z":1,"a":{"z":2,"a":null,"again":[]},"again":[{"z":2,"a":null,"again":[]}]}` + "\n"; err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := mustCompile(t, `{"type":"map","values":"int"}`).appendLine(nil, value{0}, 10); err != nil {
		t.Errorf("a map is an object too: %v", err)
	}
}

func TestBrokenAvroIsRefused(t *testing.T) {
	for _, c := range []struct {
		schema string
		in     value
		want   string
	}{
		{one(`"int"`), value{}, "ends too early"},
		{one(`"int"`), value{}.long(1 << 31), "more than 32 bits"},
		{one(`"long"`), value{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "more than 64 bits"},
		{one(`"long"`), value{0x80}, "ends too early"},
		{one(`"int"`), value{}.long(1).long(2), "1 bytes follow the Avro value"},
		{one(`"boolean"`), value{2}, "byte 1 of the Avro value: 0x02 for a boolean"},
		{one(`"double"`), value{1, 2, 3}, "ends too early"},
		{one(`"string"`), value{}.long(1 << 50).raw('x'), "ends too early"},
		{one(`"string"`), value{}.long(-1), "negative length"},
		{one(`"string"`), value{}.text("\xff"), "not UTF-8"},
		{one(`"bytes"`), value{}.long(math.MaxInt64), "ends too early"},
		{one(`{"type":"fixed","name":"F","size":1000000000}`), value("abc"), "ends too early"},
		{one(`{"type":"enum","name":"E","symbols":["A","B"]}`), value{}.long(2), "symbol 2 of an enum with 2"},
		{one(`["null","int"]`), value{}.long(2), "branch 2 of a union with 2"},
		{one(`["null","int"]`), value{}.long(-1), "branch -1"},
		{one(`{"type":"array","items":"int"}`), value{}.long(3).long(1), "ends too early"},
		{one(`{"type":"array","items":"int"}`), value{}.long(math.MinInt64), "negative length"},
		{one(`{"type":"map","values":"int"}`), value{}.long(1).text("\xc3").long(1).long(0), "not UTF-8"},
		{one(`{"type":"int","logicalType":"time-millis"}`), value{}.long(86400000), "time of day"},
		{one(`{"type":"bytes","logicalType":"decimal","precision":4}`), value{}.text(strings.Repeat("x", 1001)), "a decimal of 1001 bytes"},
		{`"string"`, value{}.text("{}"), "is no record"},
		{`["null",` + one(`"int"`) + `]`, value{}.long(0), "is no record"},
		{`{"type":"record","name":"Loop","fields":[{"name":"x","type":"Loop"}]}`, value{}, "deeper than 512"},
	} {
		got, err := mustCompile(t, c.schema).appendLine([]byte("x"), c.in, 1<<20)
		if problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), c.want) || string(got) != "x" {
			t.Errorf("%s % x: %q, %v; want %q", c.schema, c.in, got, err, c.want)
		}
	}
}

func TestWhatNeedsNoBytesEndsAtTheLimit(t *testing.T) {
	// Each doubles what is below it, without a byte of the value.
	schema, last := `{"type":"record","name":"R0","fields":[]}`, "R0"
	for i := range 40 {
		name := fmt.Sprintf("R%d", i+1)
		schema = fmt.Sprintf(`{"type":"record","name":%q,"fields":[{"name":"a","type":%s},{"name":"b","type":%q}]}`, name, schema, last)
		last = name
	}
	for _, c := range []struct {
		schema string
		in     value
	}{
		{schema, value{}},
		{one(`{"type":"array","items":"null"}`), value{}.long(math.MaxInt64)},
		{one(`{"type":"array","items":{"type":"fixed","name":"F","size":0}}`), value{}.long(math.MaxInt64)},
		{one(`"string"`), value{}.text(strings.Repeat("x", 1000))},
	} {
		got, err := mustCompile(t, c.schema).appendLine(nil, c.in, 1000)
		if problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), "limit of 1000 bytes") || len(got) != 0 {
			t.Errorf("%.80s: %d bytes, %v", c.schema, len(got), err)
		}
	}
	n := mustCompile(t, one(`"string"`))
	for size, kind := range map[int]problem.Kind{92: problem.Internal, 93: problem.Corrupt} {
		if _, err := n.appendLine(nil, value{}.text(strings.Repeat("x", size)), 100); problem.KindOf(err) != kind || (err == nil) != (size == 92) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestSchemasThatCannotBeReadSaySo(t *testing.T) {
	for _, schema := range []string{
		`{"type":"record"}`, `{`, `{"type":"array"}`, `"Unknown"`, `{"type":"fixed","name":"F","size":-1}`, `7`,
		`{"type":"record","name":"R","fields":[{"name":"x","type":"nothing"}]}`,
		one(`{"type":"bytes","logicalType":"decimal","precision":100000,"scale":50000}`),
	} {
		s, err := parse(schema, &avro.SchemaCache{})
		if err == nil {
			_, err = compile(s)
		}
		if err == nil {
			t.Errorf("%s was read", schema)
		}
	}
}

const fuzzed = `{"type":"record","name":"R","fields":[
	{"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"s","type":"string"},{"name":"b","type":"bytes"},
	{"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"o","type":["null","R",{"type":"map","values":"R"}]},
	{"name":"a","type":{"type":"array","items":["null","string","long"]}},
	{"name":"m","type":{"type":"map","values":["int",{"type":"array","items":"null"}]}},
	{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
	{"name":"x","type":{"type":"fixed","name":"X","size":2}},
	{"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":5}},
	{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},
	{"name":"day","type":{"type":"int","logicalType":"date"}},
	{"name":"du","type":{"type":"fixed","name":"Du","size":12,"logicalType":"duration"}}]}`

// FuzzValue holds the walk to its limits, its output to JSON, and both to what
// the library makes of the same bytes.
func FuzzValue(f *testing.F) {
	good := value{}.long(1).long(2).text("s").text("b").float(1).double(2).long(0).long(0).long(1).text("k").long(0).long(3).long(0).
		long(1).raw(1, 2).text("\x01\x00").long(12345678).long(100).raw(make([]byte, 12)...)
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)-5]))
	f.Add([]byte(value{}.long(1).long(2).text("s").long(1 << 60)))
	n := mustCompile(f, fuzzed)
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := n.appendLine(nil, in, 1<<16)
		if err != nil {
			if problem.KindOf(err) != problem.Corrupt || len(got) != 0 {
				t.Fatalf("%q, %v", got, err)
			}
			return
		}
		if len(got) > 1<<16+1 || got[len(got)-1] != '\n' || strings.Count(string(got), "\n") != 1 || !json.Valid(got) {
			t.Fatalf("%q is no line", got)
		}
		again, err := n.appendLine(nil, in, 1<<16)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%q the first time, then %q (%v)", got, again, err)
		}
		if line, err := (record.JSON{}).AppendLine(t.Context(), nil, got); err != nil || string(line) != string(got) {
			t.Fatalf("%q is no event: %v", got, err)
		}
	})
}

// FuzzSchema: no schema of a registry ends the process.
func FuzzSchema(f *testing.F) {
	f.Add(fuzzed, []byte{2, 4})
	f.Add(one(`"int"`), []byte{2})
	f.Add(`{"type":"record","name":"a.B","fields":[{"name":"x","type":["null","B"],"default":null}]}`, []byte{0})
	f.Fuzz(func(t *testing.T, schema string, in []byte) {
		s, err := parse(schema, &avro.SchemaCache{})
		if err != nil {
			return
		}
		n, err := compile(s)
		if err != nil {
			return
		}
		got, err := n.appendLine(nil, in, 1<<12)
		if err == nil && !json.Valid(got) {
			t.Fatalf("%s: %q", schema, got)
		}
	})
}

func BenchmarkAvro(b *testing.B) {
	n := mustCompile(b, `{"type":"record","name":"Click","fields":[{"name":"id","type":"string"},{"name":"user","type":["null","string"]},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"price","type":"double"},{"name":"n","type":"long"},
		{"name":"tags","type":{"type":"map","values":"string"}}]}`)
	in := value{}.text("0197c0de-0000-7000-8000-000000000001").long(1).text("somebody@example.org").long(1772600767089).double(12.34).long(123456).
		long(2).text("b").text("second").text("a").text("first").long(0)
	dst, err := n.appendLine(nil, in, record.MaxEvent)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = n.appendLine(dst[:0], in, record.MaxEvent); err != nil {
			b.Fatal(err)
		}
	}
}
