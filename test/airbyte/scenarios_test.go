package airbyte

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// variant is an output format.
type variant struct {
	name   string
	format map[string]any
	flat   bool // members of a record are columns: what is not declared is dropped, but in JSONL
	typed  bool
}

func variants() []variant {
	f := func(kind string, pairs ...any) map[string]any {
		m := map[string]any{"format_type": kind}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
	none := map[string]any{"compression_type": "No Compression"}
	gz := map[string]any{"compression_type": "GZIP"}
	return []variant{
		{name: "jsonl", format: f("JSONL", "compression", none)},
		{name: "jsonl flat", format: f("JSONL", "compression", none, "flattening", "Root level flattening")},
		{name: "jsonl gzip", format: f("JSONL", "compression", gz)},
		{name: "jsonl default", format: f("JSONL")},
		{name: "csv", format: f("CSV", "compression", none, "flattening", "No flattening")},
		{name: "csv flat", format: f("CSV", "compression", none, "flattening", "Root level flattening"), flat: true},
		{name: "csv gzip", format: f("CSV", "compression", gz)},
		{name: "csv flat gzip", format: f("CSV", "compression", gz, "flattening", "Root-level flattening"), flat: true},
		{name: "parquet", format: f("Parquet", "compression_codec", "UNCOMPRESSED"), flat: true, typed: true},
		{name: "parquet snappy", format: f("Parquet", "compression_codec", "SNAPPY"), flat: true, typed: true},
	}
}

// each runs a scenario for every format, with the usual path and with one whose
// names never change.
func each(t *testing.T, do func(t *testing.T, w *world, v variant)) {
	t.Helper()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			do(t, newWorld(t, v.format), v)
		})
	}
	t.Run("ambiguous path", func(t *testing.T) {
		t.Parallel()
		v := variants()[0]
		do(t, newWorld(t, v.format, "s3_path_format", "${NAMESPACE}/${STREAM_NAME}/", "file_name_pattern", "{part_number}{format_extension}"), v)
	})
	t.Run("constant name", func(t *testing.T) {
		t.Parallel()
		v := variants()[2]
		do(t, newWorld(t, v.format, "s3_path_format", "${NAMESPACE}/${STREAM_NAME}/", "file_name_pattern", "file{format_extension}"), v)
	})
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// Row 1.
func TestBasicWrite(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		st := state(`{"foo":"bar"}`, `,"sourceStats":{"recordCount":1.0}`)
		rec := `{"type":"RECORD","record":{"stream":"test_stream","data":{"id":5678,"undeclared":"asdf"},"emitted_at":1234,"meta":{"changes":[{"field":"foo","change":"NULLED","reason":"SOURCE_FIELD_SIZE_LIMITATION"}]}}}`
		a := w.sync([]stream{one(0, 0, 42)}, rec, st, complete()).must()
		expect(t, "states", a.states(), echo(st, 1))
		rows := w.rows("test/path/test_stream/")
		if len(rows) != 1 {
			t.Fatalf("%d rows in %q", len(rows), w.keys())
		}
		r := rows[0]
		if r.at != 1234 || r.sync != 42 || r.generation != 0 || r.changes != `[{"change":"NULLED","field":"foo","reason":"SOURCE_FIELD_SIZE_LIMITATION"}]` {
			t.Errorf("%+v", r)
		}
		if text(r.data["id"]) != "5678" {
			t.Errorf("data %v", r.data)
		}
		_, kept := r.data["undeclared"]
		if kept == v.flat {
			t.Errorf("undeclared kept: %v", kept)
		}
		const said = `"WARN","message":"stream Descriptor(namespace=null, name=test_stream): 1 members of records are in no file, because the stream's schema does not declare them: undeclared"`
		if logs := strings.Join(a.of("LOG"), "\n"); strings.Contains(logs, said) == kept {
			t.Errorf("undeclared kept: %v, and %s", kept, logs)
		}
		_, info := w.get(r.key)
		if info.Metadata["ab-generation-id"] != "0" {
			t.Errorf("metadata %v", info.Metadata)
		}
	})
}

// Row 3.
func TestNamespaces(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		var streams []stream
		var lines []string
		for i, ns := range []string{"ns_1", "ns_2", ""} {
			streams = append(streams, stream{name: "s", ns: ns, gen: 0, min: 0, sync: 42})
			lines = append(lines, recordOf("s", ns, fmt.Sprintf(`{"id":%d}`, i+1), 1), status("s", ns, "COMPLETE"))
		}
		w.sync(streams, lines...).must()
		for i, dir := range []string{"ns_1/s/", "ns_2/s/", "s/"} {
			expect(t, dir, values(w.rows("test/path/"+dir), "id"), fmt.Sprint(i+1))
		}
	})
}

// Row 4.
func TestFunkyCharacters(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		names := []string{"streamWithCamelCase", "stream_with_underscores", "STREAM_WITH_ALL_CAPS", "CapitalCase", "stream_with_spécial_character",
			"stream_name_with_operator+1", "stream_name_with_numbers_123", "1stream_with_a_leading_number"}
		fields := []string{"fieldWithCamelCase", "field_with_underscore", "FIELD_WITH_ALL_CAPS", "field_with_spécial_character", "field_name_with_operator+1",
			"field_name_with_numbers_123", "1field_with_a_leading_number", "order", "ProperCase", "Foo.Bar"}
		var streams []stream
		var lines []string
		add := func(name, ns, schema, data string) {
			streams = append(streams, stream{name: name, ns: ns, schema: schema, gen: 0, min: 0, sync: 42})
			lines = append(lines, recordOf(name, ns, data, 1), status(name, ns, "COMPLETE"))
		}
		const str = `{"type":"object","properties":{"id":{"type":"integer"},"value":{"type":"string"}}}`
		for _, n := range names {
			add(n, "test", str, `{"id":42,"value":"foo\nbar"}`)
		}
		add("groups", "test", `{"type":"object","properties":{"id":{"type":"integer"},"authorization":{"type":"string"}}}`, `{"id":42,"authorization":"foo\nbar"}`)
		add("a_stream", "test_spøcial", str, `{"id":42,"value":"foo\nbar"}`)
		add("a_stream", "test_operator-1", str, `{"id":42,"value":"foo\nbar"}`)
		schema, data := "", ""
		for _, f := range fields {
			schema += fmt.Sprintf(`,%q:{"type":"string"}`, f)
			data += fmt.Sprintf(`,%q:"foo\nbar"`, f)
		}
		add("fields", "test", `{"type":"object","properties":{`+schema[1:]+`}}`, `{`+data[1:]+`}`)
		w.sync(streams, lines...).must()
		if rows := w.rows("test/path/"); len(rows) != len(streams) {
			t.Fatalf("%d rows of %d streams in %q", len(rows), len(streams), w.keys())
		}
		expect(t, "accents", values(w.rows("test/path/test/stream_with_special_character/"), "value"), "foo\nbar")
		expect(t, "operator", values(w.rows("test/path/test/stream_name_with_operator+1/"), "value"), "foo\nbar")
		expect(t, "namespace", values(w.rows("test/path/test_sp_cial/a_stream/"), "value"), "foo\nbar")
		expect(t, "namespace", values(w.rows("test/path/test_operator-1/a_stream/"), "value"), "foo\nbar")
		if v.typed {
			fields = []string{"fieldWithCamelCase", "field_with_underscore", "FIELD_WITH_ALL_CAPS", "field_with_special_character", "field_name_with_operator_1",
				"field_name_with_numbers_123", "_1field_with_a_leading_number", "order", "ProperCase", "Foo_Bar"}
		}
		rows := w.rows("test/path/test/fields/")
		for _, f := range fields {
			expect(t, f, values(rows, f), "foo\nbar")
		}
	})
}

// Row 5.
func TestTruncateRefresh(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		w.sync([]stream{one(12, 0, 1)}, record(`{"id":1}`, 1234), complete()).must()
		st := state(`{"n":2}`, "")
		a := w.sync([]stream{one(13, 13, 2)}, record(`{"id":2}`, 2345), st).fails("without a COMPLETE status for Descriptor(namespace=null, name=test_stream)", "transient_error")
		expect(t, "states", a.states(), echo(st, 1))
		expect(t, "after the failed sync", values(w.rows(""), "id"), "1", "2")
		w.sync([]stream{one(13, 13, 3)}, record(`{"id":3}`, 3456), complete()).must()
		expect(t, "after the complete one", values(w.rows(""), "id"), "2", "3")
	})
}

// Row 9.
func TestTruncateRefreshNoData(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		w.sync([]stream{one(12, 0, 1)}, record(`{"id":1}`, 1234), complete()).must()
		w.sync([]stream{one(13, 13, 2)}, complete()).must()
		if rows := w.rows(""); len(rows) != 0 {
			t.Errorf("left: %v", rows)
		}
	})
}

// Row 10.
func TestClear(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		st := `{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":null,"stream_states":[{"stream_descriptor":{"name":"test_stream"},"stream_state":null}]}}}`
		a := w.sync([]stream{one(1, 1, 42)}, st, complete()).must()
		expect(t, "states", a.states(), echo(st, 0))
	})
}

// Row 11.
func TestAppend(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		w.sync([]stream{one(0, 0, 42)}, record(`{"id":1}`, 1), complete()).must()
		w.sync([]stream{one(0, 0, 43)}, record(`{"id":2}`, 2), complete()).must()
		got := map[string]int64{}
		for _, r := range w.rows("") {
			got[text(r.data["id"])] = r.sync
		}
		if len(got) != 2 || got["1"] != 42 || got["2"] != 43 {
			t.Errorf("got %v", got)
		}
	})
}

// Rows 12 and 13.
func TestNoDataAndNoColumns(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		w.sync([]stream{one(0, 0, 42)}, complete()).must()
		if keys := w.keys(); len(keys) != 0 {
			t.Errorf("written: %q", keys)
		}
		s := stream{name: "test_stream", schema: `{"type":"object","properties":{}}`, gen: 42, min: 0, sync: 1}
		w.sync([]stream{s}, record(`{"foo":"bar"}`, 1), complete()).must()
		s.schema = `{}`
		w.sync([]stream{s}, record(`{}`, 1), complete()).must()
		rows := w.rows("")
		if len(rows) != 2 {
			t.Fatalf("%d rows", len(rows))
		}
		want := "bar"
		if v.flat {
			want = ""
		}
		expect(t, "foo", values(rows, "foo"), "", want)
	})
}

// Row 14.
func TestManyStreamsCompletion(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		var streams []stream
		var lines []string
		for i := range 21 {
			name := fmt.Sprintf("stream_%d", i)
			streams = append(streams, stream{name: name, gen: 42, min: 42, sync: 1})
			lines = append(lines, recordOf(name, "", fmt.Sprintf(`{"id":%d}`, i), 1), status(name, "", "COMPLETE"))
		}
		w.sync(streams, lines...).must()
		if rows := w.rows(""); len(rows) != 21 {
			t.Errorf("%d rows", len(rows))
		}
	})
}

// Row 22.
func TestStateWithAnUnknownKey(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		st := state(`{"foo":"bar"}`, `,"id":1`)
		a := w.sync([]stream{one(0, 0, 42)}, record(`{"id":1}`, 1), record(`{"id":2}`, 1), record(`{"id":3}`, 1), st, complete()).must()
		expect(t, "states", a.states(), echo(st, 3))
	})
}

// Row 23.
func TestCrashInInputLoop(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		st := `{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"x","namespace":"y"},"stream_state":{}}}}`
		a := w.sync([]stream{one(0, 0, 42)}, st, complete()).fails("Stream not found: Descriptor(namespace=y, name=x)", "config_error")
		expect(t, "states", a.states())
		w.sync([]stream{one(0, 0, 42)}, recordOf("x", "", "{}", 1), complete()).fails("Stream not found: Descriptor(namespace=null, name=x): line 1", "config_error")
	})
}

// Row 24.
func TestGlobalStateWithUnknownStreamState(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		st := `{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{"foo":"bar"},"stream_states":[{"stream_descriptor":{"name":"test_stream"},"stream_state":{}},` +
			`{"stream_descriptor":{"name":"tomato","namespace":"potato"},"stream_state":{}}]},"sourceStats":{"recordCount":42.0}}}`
		a := w.sync([]stream{one(0, 0, 42)}, record(`{"id":42}`, 1), st, complete()).must()
		expect(t, "states", a.states(), echo(st, 1))
	})
}

// Row 28.
func TestOverwriteSchemaEvolution(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		s := one(1, 0, 1)
		s.schema = `{"type":"object","properties":{"id":{"type":"integer"},"to_drop":{"type":"string"},"to_change":{"type":"integer"}}}`
		w.sync([]stream{s}, record(`{"id":42,"to_drop":"val1","to_change":42}`, 1), complete()).must()
		s = one(2, 2, 2)
		s.schema = `{"type":"object","properties":{"id":{"type":"integer"},"to_change":{"type":"string"},"to_add":{"type":"string"}}}`
		w.sync([]stream{s}, record(`{"id":42,"to_change":"val2","to_add":"val3"}`, 1), complete()).must()
		rows := w.rows("")
		expect(t, "to_change", values(rows, "to_change"), "val2")
		expect(t, "to_add", values(rows, "to_add"), "val3")
		s.min, s.sync = 0, 3
		w.sync([]stream{s}, record(`{"id":43,"to_change":"val4"}`, 1), complete()).must()
		expect(t, "after the third", values(w.rows(""), "id"), "42", "43")
	})
}

// Row 29: a source of the old kind.
func TestSourceWithoutStatuses(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		legacy := func(n int) string {
			return fmt.Sprintf(`{"state":{"data":{"test_stream":{"n":%d}}},"sourceIdentity":"x","streamStatus":null,"logs":[],"type":"STATE"}`, n)
		}
		rec := func(id int) string {
			return fmt.Sprintf(`{"record":{"stream":"test_stream","emitted_at":1,"data":{"id":%d}},"type":"RECORD"}`, id)
		}
		s := stream{name: "test_stream"}
		a := w.sync([]stream{s}, legacy(0), legacy(0), rec(1), rec(2), legacy(1), legacy(1), rec(3)).must()
		want := func(n, records int) string {
			return strings.Replace(legacy(n), `}},"source`, fmt.Sprintf(`},"destinationStats":{"recordCount":%d.0}},"source`, records), 1)
		}
		if got := a.states(); !slices.Equal(got, []string{want(0, 0), want(0, 0), want(1, 2), want(1, 0)}) {
			t.Errorf("states %q", got)
		}
		expect(t, "rows", values(w.rows(""), "id"), "1", "2", "3")
		s.mode = "overwrite"
		w.sync([]stream{s}, rec(4), legacy(2)).fails("without a COMPLETE status", "transient_error")
		expect(t, "nothing deleted", values(w.rows(""), "id"), "1", "2", "3", "4")
		w.config["assume_complete_at_eof"] = true
		w.sync([]stream{s}, rec(5)).must()
		expect(t, "replaced", values(w.rows(""), "id"), "5")
	})
}

// Row 30: names that never change, and the data is there after each sync.
func TestOverwriteTwice(t *testing.T) {
	each(t, func(t *testing.T, w *world, _ variant) {
		for gen := 1; gen <= 4; gen++ {
			w.sync([]stream{one(gen, gen, gen)}, record(fmt.Sprintf(`{"id":%d}`, gen), 1), complete()).must()
			rows := w.rows("")
			expect(t, fmt.Sprint("generation ", gen), values(rows, "id"), fmt.Sprint(gen))
		}
	})
}

// Row 31, and other destinations, streams and generations beside.
func TestForeignObjectsStay(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		w.sync([]stream{one(1, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
		rows := w.rows("")
		key := rows[0].key
		data, info := w.get(key)
		copies := []string{}
		for i, change := range []map[string]string{
			nil, {"strm-destination": "other"}, {"strm-stream": "other"}, {"strm-object": ""}, {"ab-generation-id": "x"}, {"ab-generation-id": ""}, {"ab-generation-id": "2"},
		} {
			meta := map[string]string{}
			if change != nil {
				for k, v := range info.Metadata {
					meta[k] = v
				}
			}
			for k, v := range change {
				if meta[k] = v; v == "" {
					delete(meta, k)
				}
			}
			name := strings.Replace(key, "/test_stream/", fmt.Sprintf("/test_stream/copy%d_", i), 1)
			copies = append(copies, name)
			w.put(name, data, meta)
		}
		w.sync([]stream{one(2, 2, 2)}, record(`{"id":2}`, 1), complete()).must()
		keys := w.keys()
		if slices.Contains(keys, key) {
			t.Errorf("%s is still there", key)
		}
		for _, c := range copies {
			if !slices.Contains(keys, c) {
				t.Errorf("%s is gone", c)
			}
		}
	})
}
