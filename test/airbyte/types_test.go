package airbyte

import (
	"slices"
	"strings"
	"testing"
)

// Row 15.
func TestUnknownTypes(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		s := one(0, 0, 42)
		s.schema = `{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"potato"}}}`
		rec := record(`{"id":1,"name":"ex falso quodlibet"}`, 1)
		w.sync([]stream{s}, rec, complete()).must()
		want := "ex falso quodlibet"
		if v.typed {
			want = `"ex falso quodlibet"` // not known is JSON text
		}
		expect(t, "kept", values(w.rows(""), "name"), want)
		if v.typed {
			w.config["strict_types"] = true
			w.sync([]stream{s}, rec, complete()).fails("potato", "config_error")
		}
	})
}

const basicSchema = `{"type":"object","properties":{"id":{"type":"integer"},"struct":{"type":"object","properties":{"foo":{"type":"number"}}},
	"string":{"type":"string"},"number":{"type":"number"},"integer":{"type":"integer"},"boolean":{"type":"boolean"},
	"timestamp_with_timezone":{"type":"string","format":"date-time","airbyte_type":"timestamp_with_timezone"},
	"timestamp_without_timezone":{"type":"string","format":"date-time","airbyte_type":"timestamp_without_timezone"},
	"time_with_timezone":{"type":"string","format":"time","airbyte_type":"time_with_timezone"},
	"time_without_timezone":{"type":"string","format":"time","airbyte_type":"time_without_timezone"},"date":{"type":"string","format":"date"}}}`

// Row 16.
func TestBasicTypes(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		s := one(0, 0, 42)
		s.schema = basicSchema
		const valid = `"string":"foo","number":42.1,"integer":42,"boolean":true,"timestamp_with_timezone":"2023-01-23T11:34:56-01:00",` +
			`"timestamp_without_timezone":"2023-01-23T12:34:56","time_with_timezone":"11:34:56-01:00","time_without_timezone":"12:34:56","date":"2023-01-23"`
		nulls, broken := "", ""
		for _, f := range []string{"string", "number", "integer", "boolean", "timestamp_with_timezone", "timestamp_without_timezone", "time_with_timezone", "time_without_timezone", "date"} {
			nulls += `,"` + f + `":null`
			broken += `,"` + f + `":{}`
		}
		lines := []string{
			record(`{"id":1,`+valid+`}`, 1), record(`{"id":2`+nulls+`}`, 1), record(`{"id":3}`, 1),
			record(`{"id":4,"struct":{"foo":50000.0000000000000001},"number":50000.0000000000000001,"integer":99999999999999999999999999999999,"number":1e39}`, 1),
			record(`{"id":5`+strings.Replace(broken, `"number":{}`, `"number":"foo"`, 1)+`}`, 1),
			record(`{"id":6,"number":-2e39,"integer":-99999999999999999999999999999999}`, 1),
			complete(),
		}
		w.sync([]stream{s}, lines...).must()
		by := map[string]row{}
		for _, r := range w.rows("") {
			by[text(r.data["id"])] = r
		}
		if len(by) != 6 {
			t.Fatalf("%d rows", len(by))
		}
		cell := func(id, field, want string) {
			t.Helper()
			if got := text(by[id].data[field]); got != want {
				t.Errorf("id %s, %s: %s, want %s", id, field, got, want)
			}
		}
		if v.typed {
			cell("1", "timestamp_with_timezone", "1674477296000000")
			cell("1", "time_with_timezone", "45296000000")
			cell("1", "date", "19380")
			cell("4", "integer", "")
			cell("4", "struct", `{"foo":50000}`)
			cell("4", "number", "1e+39")
			cell("5", "string", "{}")
			cell("5", "date", "")
			if c := by["4"].changes; c != `[{"change":"NULLED","field":"integer","reason":"DESTINATION_FIELD_SIZE_LIMITATION"}]` {
				t.Errorf("changes of 4: %s", c)
			}
			if c := by["5"].changes; strings.Count(c, "DESTINATION_SERIALIZATION_ERROR") != 8 || strings.Contains(c, `"string"`) {
				t.Errorf("changes of 5: %s", c)
			}
			return
		}
		cell("1", "timestamp_with_timezone", "2023-01-23T11:34:56-01:00")
		cell("1", "number", "42.1")
		cell("4", "integer", "99999999999999999999999999999999")
		cell("4", "number", "1e39")
		cell("5", "date", "{}")
		if v.flat {
			cell("4", "struct", `{"foo":50000.0000000000000001}`)
		}
		for id, r := range by {
			if r.changes != "[]" {
				t.Errorf("changes of %s: %s", id, r.changes)
			}
		}
	})
}

// Row 17.
func TestContainerTypes(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		s := one(0, 0, 42)
		s.schema = `{"type":"object","properties":{"id":{"type":"integer"},
			"schematized_object":{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"}}},
			"empty_object":{"type":"object","properties":{}},"schemaless_object":{"type":"object"},
			"schematized_array":{"type":"array","items":{"type":"integer"}},"schemaless_array":{"type":"array"}}}`
		const full = `"schematized_object":{"id":1,"name":"Joe","undeclared":42},"empty_object":{"extra":"stuff"},` +
			`"schemaless_object":{"uuid":"38F52396","foo":{"bar":1}},"schematized_array":[10,null],"schemaless_array":[10,"foo",null,{"bar":"qua"}]`
		w.sync([]stream{s}, record(`{"id":1,`+full+`}`, 1), record(`{"id":2,"schematized_object":null,"empty_object":null,"schemaless_object":null,"schematized_array":null,"schemaless_array":null}`, 1), complete()).must()
		rows := w.rows("")
		object := `{"id":1,"name":"Joe","undeclared":42}`
		if v.typed {
			object = `{"id":1,"name":"Joe"}`
		}
		expect(t, "object", values(rows, "schematized_object"), object, "")
		expect(t, "empty", values(rows, "empty_object"), `{"extra":"stuff"}`, "")
		expect(t, "array", values(rows, "schematized_array"), `[10,null]`, "")
		expect(t, "schemaless array", values(rows, "schemaless_array"), `[10,"foo",null,{"bar":"qua"}]`, "")
		schemaless := values(rows, "schemaless_object")
		if !slices.Contains(schemaless, `{"uuid":"38F52396","foo":{"bar":1}}`) && !slices.Contains(schemaless, `{"foo":{"bar":1},"uuid":"38F52396"}`) {
			t.Errorf("schemaless object: %q", schemaless)
		}
		for _, r := range rows {
			if r.changes != "[]" {
				t.Errorf("changes: %s", r.changes)
			}
		}
	})
}

// Rows 18, 19, 20 and 21.
func TestUnions(t *testing.T) {
	each(t, func(t *testing.T, w *world, v variant) {
		s := one(0, 0, 42)
		s.schema = `{"type":"object","properties":{"id":{"type":"integer"},
			"scalars":{"type":["string","integer"]},
			"schemaless":{"oneOf":[{"type":"object"},{"type":"integer"}]},
			"merged":{"oneOf":[{"type":"object","properties":{"f1":{"type":"string"},"f2":{"type":"integer"}}},{"type":"object","properties":{"f1":{"type":"string"},"f3":{"type":"number"}}}]},
			"conflict":{"oneOf":[{"type":"object","properties":{"field1":{"type":"string"}}},{"type":"object"}]},
			"nested":{"oneOf":[{"type":"object","properties":{"o":{"type":"object"},"u":{"oneOf":[{"type":"string"},{"type":"boolean"}]}}},{"type":"string"}]}}}`
		lines := []string{
			record(`{"id":1,"scalars":"string1","schemaless":{"foo":"bar"},"merged":{"f1":"a","f2":1,"f5":true},"conflict":{"field1":"x"},"nested":{"o":{"k":1},"u":true}}`, 1),
			record(`{"id":2,"scalars":7,"schemaless":8,"merged":{"f1":"b","f3":1.5},"conflict":{"other":1},"nested":"plain"}`, 1), complete()}
		w.sync([]stream{s}, lines...).must()
		rows := w.rows("")
		// What cannot be merged is JSON text; upstream fails, as we do when asked to.
		expect(t, "conflict", values(rows, "conflict"), `{"field1":"x"}`, `{"other":1}`)
		if !v.typed {
			expect(t, "scalars", values(rows, "scalars"), "string1", "7")
			expect(t, "merged", values(rows, "merged"), `{"f1":"a","f2":1,"f5":true}`, `{"f1":"b","f3":1.5}`)
			return
		}
		members := func(field, id, name string) string {
			for _, r := range rows {
				if text(r.data["id"]) == id {
					m, _ := r.data[field].(map[string]any)
					return text(m[name])
				}
			}
			return "no row"
		}
		for _, c := range [][4]string{
			{"scalars", "1", "type", "string"}, {"scalars", "1", "string", "string1"}, {"scalars", "2", "type", "integer"}, {"scalars", "2", "integer", "7"},
			{"schemaless", "1", "type", "object"}, {"schemaless", "1", "object", `{"foo":"bar"}`}, {"schemaless", "2", "integer", "8"},
			{"merged", "1", "f2", "1"}, {"merged", "1", "f5", ""}, {"merged", "2", "f3", "1.5"}, {"nested", "2", "string", "plain"},
		} {
			if got := members(c[0], c[1], c[2]); got != c[3] {
				t.Errorf("%s of %s, %s: %q, want %q", c[0], c[1], c[2], got, c[3])
			}
		}
		before := w.keys()
		w.config["strict_types"] = true
		w.sync([]stream{s}, lines...).fails("field conflict: branches of type object with and without a description cannot be merged", "config_error")
		if after := w.keys(); !slices.Equal(before, after) {
			t.Errorf("a sync that is refused for its schema wrote: %q became %q", before, after)
		}
	})
}
