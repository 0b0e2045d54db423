package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"strm/internal/format/parquet"
	"strm/internal/problem"
	"strm/internal/stream"

	"strm/internal/format"
)

// Nothing but the layout needs to be said.
func TestCheckOutputOfImpressions(t *testing.T) {
	for _, name := range []string{"fme", "fme-root"} {
		o, err := CheckOutput(stream.Output{Layout: name}, "", "demo", 1)
		if err != nil || o.Format != "parquet" || o.Compression != "snappy" || o.Table.Schema == "" {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		again, err := CheckOutput(o, "", "demo", 1)
		if err != nil || again != o {
			t.Errorf("%s, once more: %+v, %v", name, again, err)
		}
		own := stream.Output{Layout: name, Table: stream.Table{Schema: `{"properties":{"key":{"type":"string"}}}`}}
		if o, err := CheckOutput(own, "", "demo", 1); err != nil || o.Table != own.Table {
			t.Errorf("%s with a schema of its own: %+v, %v", name, o, err)
		}
	}
	for text, o := range map[string]stream.Output{
		"bzip2 is no codec of parquet": {Layout: "fme", Compression: "bzip2"},
		"impressions in parquet":       {Layout: "fme", Format: "jsonl"},
		"as they are":                  {Layout: "fme", Envelope: stream.Envelope{Style: stream.EnvelopeAirbyte1}},
	} {
		if _, err := CheckOutput(o, "", "demo", 1); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %q", o, err, text)
		}
	}
}

// The columns of an object: names, order, types, which may be null, and what
// is in them where nothing was sent.
func TestImpressionsAreExact(t *testing.T) {
	o, err := CheckOutput(stream.Output{Layout: "fme", Compression: "zstd"}, "", "demo", 1)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w, err := parquet.Format{}.Rows(&buf, o, format.Run{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{
		`{"key":"user1","label":"default rule","treatment":"on","splitName":"checkout_v2","splitVersion":1700000000000,"properties":"{\"page\":\"cart\"}","environmentId":"env","trafficTypeId":"tt",` +
			`"sdk":"nodejs","sdkVersion":"11.11.2","machineName":"host-1","machineIp":"192.0.2.2","timestamp":1795161717149,"receptionTimestamp":1795161717300,"bucketingKey":"bk2","previousTime":1795161717142,"impressionsMode":"DEBUG"}`,
		`{"key":"user2","treatment":"off","splitName":"s","splitVersion":9007199254740993,"properties":null,"environmentId":"env","trafficTypeId":"","sdk":"go","sdkVersion":"6.8.1","timestamp":1,"receptionTimestamp":2}`,
	} {
		if err := w.Append(format.Row{}, []byte(e)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := pq.OpenFile(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.Metadata().Schema[1:] {
		logical := ""
		if c.LogicalType.Value != nil {
			logical = " " + c.LogicalType.Value.(interface{ String() string }).String()
		}
		got = append(got, c.RepetitionType.V.String()+" "+c.Type.V.String()+" "+c.Name+logical)
	}
	const want = `REQUIRED BYTE_ARRAY key STRING, REQUIRED BYTE_ARRAY label STRING, REQUIRED BYTE_ARRAY treatment STRING, REQUIRED BYTE_ARRAY splitName STRING, REQUIRED INT64 splitVersion, ` +
		`REQUIRED BYTE_ARRAY properties STRING, REQUIRED BYTE_ARRAY environmentId STRING, REQUIRED BYTE_ARRAY trafficTypeId STRING, REQUIRED BYTE_ARRAY sdk STRING, REQUIRED BYTE_ARRAY sdkVersion STRING, ` +
		`OPTIONAL BYTE_ARRAY machineName STRING, OPTIONAL BYTE_ARRAY machineIp STRING, REQUIRED INT64 timestamp, REQUIRED INT64 receptionTimestamp`
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	r := pq.NewGenericReader[map[string]any](f, f.Schema())
	defer r.Close()
	for _, want := range []string{
		`{"environmentId":"env","key":"user1","label":"default rule","machineIp":"192.0.2.2","machineName":"host-1","properties":"{\"page\":\"cart\"}","receptionTimestamp":1795161717300,"sdk":"nodejs",` +
			`"sdkVersion":"11.11.2","splitName":"checkout_v2","splitVersion":1700000000000,"timestamp":1795161717149,"trafficTypeId":"tt","treatment":"on"}`,
		`{"environmentId":"env","key":"user2","label":"","machineIp":null,"machineName":null,"properties":"","receptionTimestamp":2,"sdk":"go",` +
			`"sdkVersion":"6.8.1","splitName":"s","splitVersion":9007199254740993,"timestamp":1,"trafficTypeId":"","treatment":"off"}`,
	} {
		row := []map[string]any{{}}
		if n, err := r.Read(row); n != 1 || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%d rows, %v", n, err)
		}
		if b, err := json.Marshal(row[0]); err != nil || string(b) != want {
			t.Errorf("got  %s (%v)\nwant %s", b, err, want)
		}
	}
	if v, ok := f.Lookup("strm.nulled"); ok {
		t.Errorf("a missing label or properties was told as a change: %s", v)
	}
}
