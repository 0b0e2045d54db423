package parquet_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/parquet"
	"strm/internal/stream"
)

// write writes events as a file.
func write(t testing.TB, o stream.Output, run format.Run, changes []columns.Change, events ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := parquet.Format{}.Rows(&buf, o, run)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		if err := w.Append(format.Row{ID: [16]byte{15: byte(i)}, At: 1622135805000, Changes: changes}, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// read returns the file's schema, its metadata, and its rows as JSON.
func read(t testing.TB, file []byte) (schema string, meta func(string) string, rows []string) {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	r := pq.NewGenericReader[map[string]any](f, f.Schema())
	defer r.Close()
	for {
		var row [1]map[string]any
		row[0] = map[string]any{}
		n, err := r.Read(row[:])
		if n == 1 {
			b, jerr := json.Marshal(row[0])
			if jerr != nil {
				t.Fatal(jerr)
			}
			rows = append(rows, string(b))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	meta = func(k string) string {
		v, _ := f.Lookup(k)
		return v
	}
	return f.Schema().String(), meta, rows
}

const (
	nulled   = `"change":"NULLED","field":`
	tooLarge = `,"reason":"DESTINATION_FIELD_SIZE_LIMITATION"`
	unfit    = `,"reason":"DESTINATION_SERIALIZATION_ERROR"`
)

func change(field, reason string) string { return `{` + nulled + `"` + field + `"` + reason + `}` }

// TestValues holds the mapping of types to the acceptance tests of the Airbyte
// destination, and goes on where they end.
func TestValues(t *testing.T) {
	const basic = `{"type":"object","properties":{
		"s":{"type":["null","string"]},"n":{"type":"number"},"i":{"type":"integer"},"b":{"type":"boolean"},
		"tz":{"type":"string","format":"date-time","airbyte_type":"timestamp_with_timezone"},"ts":{"type":"string","format":"date-time","airbyte_type":"timestamp_without_timezone"},
		"t":{"type":"string","format":"time","airbyte_type":"time_without_timezone"},"d":{"type":"string","format":"date"},
		"struct":{"type":"object","properties":{"foo":{"type":"number"}}}}}`
	empty := `"b":null,"d":null,"i":null,"n":null,"s":null,"struct":null,"t":null,"ts":null,"tz":null`
	for _, c := range []struct {
		name, schema, event, want, changes string
	}{
		{"basic types", basic, `{"s":"foo","n":42.1,"i":42,"b":true,"tz":"2023-01-23T12:34:56-01:00","ts":"2023-01-23T12:34:56","t":"12:34:56","d":"2023-01-23","struct":{"foo":1.0}}`,
			`"b":true,"d":19380,"i":42,"n":42.1,"s":"foo","struct":{"foo":1},"t":45296000000,"ts":1674477296000000,"tz":1674480896000000`, ``},
		{"null", basic, `{"s":null,"n":null,"i":null,"b":null,"tz":null,"ts":null,"t":null,"d":null,"struct":null}`, empty, ``},
		{"unset", basic, `{}`, empty, ``},
		{"large, and a key twice", basic, `{"struct":{"foo":50000.0000000000000001},"n":50000.0000000000000001,"i":99999999999999999999999999999999,"n":1e39}`,
			`"b":null,"d":null,"i":null,"n":1e+39,"s":null,"struct":{"foo":50000},"t":null,"ts":null,"tz":null`, change("i", tooLarge)},
		{"objects everywhere", basic, `{"s":{},"n":{},"i":{},"b":{},"tz":{},"ts":{},"t":{},"d":{},"struct":"foo"}`,
			`"b":null,"d":null,"i":null,"n":null,"s":"{}","struct":null,"t":null,"ts":null,"tz":null`,
			change("n", unfit) + "," + change("i", unfit) + "," + change("b", unfit) + "," + change("tz", unfit) + "," + change("ts", unfit) + "," + change("t", unfit) + "," + change("d", unfit) + "," + change("struct", unfit)},
		{"large and negative", basic, `{"n":-2e39,"i":-99999999999999999999999999999999}`,
			`"b":null,"d":null,"i":null,"n":-2e+39,"s":null,"struct":null,"t":null,"ts":null,"tz":null`, change("i", tooLarge)},
		{"beyond doubles", basic, `{"n":1e400,"i":-9223372036854775808,"s":1e400,"b":"true","d":"2023-02-30","t":"24:00","ts":"2023-01-23 12:34","tz":"1969-12-31T23:59:59.9999999Z"}`,
			`"b":null,"d":null,"i":-9223372036854775808,"n":null,"s":"1e400","struct":null,"t":null,"ts":1674477240000000,"tz":-1`,
			change("n", tooLarge) + "," + change("b", unfit) + "," + change("t", unfit) + "," + change("d", unfit)},
		{"whole numbers with a fraction", `{"properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"},"d":{"type":"integer"}}}`,
			`{"a":5.0,"b":5e2,"c":5.5,"d":1e17}`, `"a":5,"b":500,"c":null,"d":null`, change("c", unfit) + "," + change("d", tooLarge)},
		{"containers", `{"properties":{"o":{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"}}},"e":{"type":"object","properties":{}},
			"so":{"type":"object"},"a":{"type":"array","items":{"type":"integer"}},"sa":{"type":"array"}}}`,
			`{"o":{"id":1,"name":"Joe","undeclared":42},"e":{"extra":"stuff"},"so":{"uuid": "x"},"a":[10,null],"sa":[10,"foo",null,{"bar":"qua"}]}`,
			`"a":[10,null],"e":"{\"extra\":\"stuff\"}","o":{"id":1,"name":"Joe"},"sa":"[10,\"foo\",null,{\"bar\":\"qua\"}]","so":"{\"uuid\": \"x\"}"`, ``},
		{"containers of nothing", `{"properties":{"o":{"type":"object","properties":{"id":{"type":"integer"}}},"a":{"type":"array","items":{"type":"integer"}},"m":{"strm_type":"map"}}}`,
			`{"o":{},"a":[],"m":{}}`, `"a":[],"m":{},"o":{"id":null}`, ``},
		{"bad items", `{"properties":{"a":{"type":"array","items":{"type":"object","properties":{"x":{"type":"array","items":{"type":"integer"}}}}}}}`,
			`{"a":[{"x":[1,"2",3]},7,null,{"x":9}]}`, `"a":[{"x":[1,null,3]},null,null,{"x":null}]`,
			change("a.[0].x.[1]", unfit) + "," + change("a.[1]", unfit) + "," + change("a.[3].x", unfit)},
		{"unions", `{"properties":{"a":{"type":["string","integer"]},"b":{"oneOf":[{"type":"object"},{"type":"integer"}]},"c":{"anyOf":[{"type":"object","properties":{"id":{"type":"integer"}}},{"type":"object","properties":{"id":{"type":"string"},"x":{"type":"null"}}},{"type":"null"}]},
			"d":{"type":["number","integer"]},"e":{"type":["boolean","string"],"format":"date"},"f":{"type":["integer","array"],"items":{"type":"integer"}}}}`,
			`{"a":"string1","b":{"foo": "bar"},"c":{"id":7},"d":1.5,"e":"nope","f":[1]}`,
			`"a":{"integer":null,"string":"string1","type":"string"},"b":{"integer":null,"object":"{\"foo\": \"bar\"}","type":"object"},"c":{"id":{"integer":7,"string":null,"type":"integer"},"x":null},"d":{"integer":null,"number":1.5,"type":"number"},"e":null,"f":{"array":[1],"integer":null,"type":"array"}`,
			change("e", unfit)},
		{"a union of text takes all", `{"properties":{"a":{"type":["string","integer"]},"b":{"type":["string","integer"]},"c":{"type":["integer","number"]},"d":{"type":["integer","boolean"]}}}`,
			`{"a":[1],"b":99999999999999999999,"c":99999999999999999999,"d":99999999999999999999}`,
			`"a":{"integer":null,"string":"[1]","type":"string"},"b":{"integer":null,"string":"99999999999999999999","type":"string"},"c":{"integer":null,"number":100000000000000000000,"type":"number"},"d":null`,
			change("d", tooLarge)},
		{"what is not known is text", `{"properties":{"a":{"type":"potato"},"b":{},"c":true,"d":{"$ref":"WellKnownTypes.json#/definitions/Integer"},"e":{"oneOf":[{"type":"potato"},{"type":"string"}]},"f":{"oneOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object"}]}}}`,
			`{"a":"ex falso quodlibet","b":[1],"c":null,"d":9,"e":5,"f":{"a":1}}`, `"a":"\"ex falso quodlibet\"","b":"[1]","c":null,"d":9,"e":"5","f":"{\"a\":1}"`, ``},
		{"ours", `{"properties":{"k":{"type":"string","strm_column":"key","strm_required":true},"m":{"strm_type":"timestamp-millis","strm_required":true},"n":{"type":"integer","strm_required":true},"x":{"type":"boolean","strm_required":true},"p":{"strm_type":"timestamp-millis"},"props":{"strm_type":"map","additionalProperties":{"type":"integer"}}}}`,
			`{"k":"a","m":1700000000000,"n":"x","p":"2023-01-23T12:34:56.789Z","props":{"a\u0062":1,"c":"x"}}`,
			`"key":"a","m":1700000000000,"n":0,"p":1674477296789,"props":{"ab":1,"c":null},"x":false`, change("n", unfit) + "," + change("x", unfit) + "," + change("props.c", unfit)},
		// Readers count in microseconds, and fail at a file with a time that these cannot hold.
		{"times out of reach", `{"properties":{"a":{"strm_type":"timestamp-millis"},"b":{"strm_type":"timestamp-millis"},"c":{"strm_type":"timestamp-millis"}}}`,
			`{"a":1795194229756000000,"b":-9223372036854776,"c":9223372036854775}`, `"a":null,"b":null,"c":9223372036854775`, change("a", tooLarge) + "," + change("b", tooLarge)},
		{"empty text as null", `{"properties":{"a":{"type":"string","strm_null":""},"b":{"type":"string","strm_null":""},"c":{"type":"string"},"d":{"type":"string","strm_null":"","strm_required":true},"o":{"type":"object","properties":{"e":{"type":"string","strm_null":""}}}}}`,
			`{"a":"","b":" ","c":"","d":"","o":{"e":""}}`, `"a":null,"b":" ","c":"","d":"","o":{"e":null}`, ``},
		{"names", `{"properties":{"fieldWithCamelCase":{},"field_with_spécial_character":{},"field_name_with_operator+1":{},"1field":{},"Foo.Bar":{},"a b":{},"a_b":{},"":{},"é":{"type":"object","properties":{"x y":{"type":"string"},"x-y":{"type":"string"}}}}}`,
			`{"fieldWithCamelCase":1,"field_with_spécial_character":2,"field_name_with_operator+1":3,"1field":4,"Foo.Bar":5,"a b":6,"a_b":7,"":8,"é":{"x y":"9","x-y":"10"}}`,
			`"Foo_Bar":"5","_":"8","_1field":"4","a_b":"6","a_b_1":"7","e":{"x_y":"9","x_y_1":"10"},"fieldWithCamelCase":"1","field_name_with_operator_1":"3","field_with_special_character":"2"`, ``},
	} {
		o := stream.Output{Table: stream.Table{Schema: c.schema}, Envelope: stream.Envelope{Style: "airbyte-1.x"}}
		_, _, rows := read(t, write(t, o, format.Run{SyncID: 42, GenerationID: 3}, nil, c.event))
		want := `"_airbyte_extracted_at":1622135805000,"_airbyte_generation_id":3,"_airbyte_meta":{"changes":[` + c.changes + `],"sync_id":42},"_airbyte_raw_id":"00000000-0000-0000-0000-000000000000"`
		if len(rows) != 1 || !sameMembers(t, rows[0], `{`+want+`,`+c.want+`}`) {
			t.Errorf("%s:\n got %s\nwant {%s,%s}", c.name, rows, want, c.want)
		}
	}
}

// sameMembers compares two JSON objects, times as numbers.
func sameMembers(t *testing.T, got, want string) bool {
	t.Helper()
	var g, w map[string]any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	a, _ := json.Marshal(g)
	b, _ := json.Marshal(w)
	return string(a) == string(b)
}
