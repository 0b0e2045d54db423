package jsonl_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"testing"

	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/format/formattest"
	"strm/internal/format/jsonl"
	"strm/internal/problem"
	"strm/internal/stream"
)

func TestEnvelopes(t *testing.T) {
	r := format.Row{At: 1631948170000}
	if _, err := hex.Decode(r.ID[:], []byte("0a61de1b9cdd4455a73993572c9a5f20")); err != nil {
		t.Fatal(err)
	}
	changed := r
	changed.Changes = []columns.Change{{Field: "foo", Change: "NULLED", Reason: "SOURCE_FIELD_SIZE_LIMITATION"}}
	const person = `{"user_id":123,"name":{"first":"John","last":"Doe"}}`
	for name, c := range map[string]struct {
		o     stream.Output
		row   format.Row
		event string
		want  string
	}{
		"none": {stream.Output{}, r, person, person},
		"tarsal": {stream.Output{Envelope: stream.Envelope{Style: "tarsal"}, Flattening: "root"}, r, person,
			`{"_tarsal_metadata":{"_tarsal_ab_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_tarsal_emitted_at":"1631948170000"},"data":` + person + `}`},
		"0.x": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-0.x"}}, r, person,
			`{"_airbyte_ab_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_emitted_at":1631948170000,"_airbyte_data":` + person + `}`},
		"0.x root": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-0.x"}, Flattening: "root"}, r, person,
			`{"_airbyte_ab_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_emitted_at":1631948170000,"user_id":123,"name":{"first":"John","last":"Doe"}}`},
		"1.x": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}}, changed, person,
			`{"_airbyte_raw_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_extracted_at":1631948170000,"_airbyte_meta":{"sync_id":10111,"changes":[{"field":"foo","change":"NULLED","reason":"SOURCE_FIELD_SIZE_LIMITATION"}]},"_airbyte_generation_id":11,"_airbyte_data":` + person + `}`},
		"1.x root": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}, Flattening: "root"}, r, ` { "a" : 1} `,
			`{"_airbyte_raw_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_extracted_at":1631948170000,"_airbyte_meta":{"sync_id":10111,"changes":[]},"_airbyte_generation_id":11,"a" : 1}`},
		"1.x root of nothing": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}, Flattening: "root"}, r, `{ }`,
			`{"_airbyte_raw_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_extracted_at":1631948170000,"_airbyte_meta":{"sync_id":10111,"changes":[]},"_airbyte_generation_id":11}`},
		"1.x root, members with the envelope's names": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}, Flattening: "root"}, r, `{"_airbyte_raw_id":"r", "_airbyte_raw_id_1":1,"\u005fairbyte_meta" : {"a":[]},"b\"":2,"_airbyte_meta":null,"_airbyte_data":3}`,
			`{"_airbyte_raw_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_extracted_at":1631948170000,"_airbyte_meta":{"sync_id":10111,"changes":[]},"_airbyte_generation_id":11,` +
				`"_airbyte_raw_id_2":"r","_airbyte_raw_id_1":1,"_airbyte_meta_1":{"a":[]},"b\"":2,"_airbyte_meta_1":null,"_airbyte_data":3}`},
		"1.x, members with the envelope's names": {stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x"}}, r, `{"_airbyte_raw_id":"r"}`,
			`{"_airbyte_raw_id":"0a61de1b-9cdd-4455-a739-93572c9a5f20","_airbyte_extracted_at":1631948170000,"_airbyte_meta":{"sync_id":10111,"changes":[]},"_airbyte_generation_id":11,"_airbyte_data":{"_airbyte_raw_id":"r"}}`},
		"names": {stream.Output{Envelope: stream.Envelope{Style: "tarsal", MetadataName: "m", IDName: `i"d`, TimeName: "t", DataName: "d"}}, r, `{"a":99999999999999999999999999999999,"a":50000.0000000000000001}`,
			`{"m":{"i\"d":"0a61de1b-9cdd-4455-a739-93572c9a5f20","t":"1631948170000"},"d":{"a":99999999999999999999999999999999,"a":50000.0000000000000001}}`},
	} {
		var buf bytes.Buffer
		w, err := jsonl.Format{}.Rows(&buf, c.o, format.Run{SyncID: 10111, GenerationID: 11})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(c.row, []byte(c.event)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if buf.String() != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", name, buf.String(), c.want)
		}
	}
}

// Ids derive from stream, partition and offset, so an event has one wherever it
// is written. Python: uuid.uuid5(uuid.UUID("37e678c9-03c0-5713-afba-b02d5abd065f"), "0123456789abcdef/0/1").
func TestEventsKeepTheirIDs(t *testing.T) {
	o := stream.Output{Envelope: stream.Envelope{Style: "airbyte-1.x", MetaName: "m", GenerationName: "g"}}
	var buf bytes.Buffer
	if _, err := (jsonl.Format{}).Encode(&buf, o, formattest.Input(formattest.Blocks(t, 1, 1))); err != nil {
		t.Fatal(err)
	}
	want := `{"_airbyte_raw_id":"a7a0e21d-d8a9-56e6-9e3d-d17498af16ea","_airbyte_extracted_at":1774518960000,"m":{"sync_id":7,"changes":[]},"g":0,"_airbyte_data":{"id":0,"url":"https://example.com/page/0","text":"event number 0 of a block"}}` + "\n" +
		`{"_airbyte_raw_id":"f17cf8e9-ffd3-52f9-9157-7c099b60a6a5","_airbyte_extracted_at":1774518960000,"m":{"sync_id":7,"changes":[]},"g":0,"_airbyte_data":{"id":1,"url":"https://example.com/page/0","text":"event number 0 of a block"}}` + "\n"
	if buf.String() != want {
		t.Errorf("got\n%s", buf.String())
	}
}

func TestNamesDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		e   stream.Envelope
		bad bool
	}{
		"two alike":         {stream.Envelope{Style: "airbyte-1.x", IDName: "x", MetaName: "x"}, true},
		"as a default":      {stream.Envelope{Style: "airbyte-0.x", TimeName: "_airbyte_data"}, true},
		"inside":            {stream.Envelope{Style: "tarsal", IDName: "x", TimeName: "x"}, true},
		"beside":            {stream.Envelope{Style: "tarsal", MetadataName: "data"}, true},
		"in two places":     {stream.Envelope{Style: "tarsal", IDName: "x", DataName: "x"}, false},
		"not in this style": {stream.Envelope{Style: "airbyte-0.x", IDName: "_airbyte_meta"}, false},
	} {
		_, err := jsonl.Format{}.Variant(stream.Output{Envelope: c.e})
		if bad := problem.KindOf(err) == problem.Invalid; bad != c.bad || !bad && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsOfOtherFormats(t *testing.T) {
	for _, o := range []stream.Output{{CSV: stream.CSV{NoHeader: true}}, {Parquet: stream.Parquet{PageBytes: 1}}} {
		if _, err := (jsonl.Format{}).Encode(io.Discard, o, formattest.Input(nil)); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
