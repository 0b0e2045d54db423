package protocol_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"strm/internal/airbyte/protocol"
)

func TestRecords(t *testing.T) {
	m, err := protocol.Parse([]byte(` {"record":{"data":{"a":1,"a":5e-1, "\u0062":[{}]},"emitted_at":1234,"stream":"user\u0073","namespace":null,` +
		`"meta":{"x":1,"changes":[{"field":"a","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]},"new":{}},"log":null,"state":null,"type":"RECORD"} `))
	if err != nil {
		t.Fatal(err)
	}
	r := m.Record
	if m.Kind != protocol.KindRecord || r.Stream != (protocol.Descriptor{Name: "users"}) || r.EmittedAt != 1234 || r.File {
		t.Errorf("%+v", m)
	}
	if got := string(r.Data); got != `{"a":1,"a":5e-1, "\u0062":[{}]}` {
		t.Errorf("data %s", got)
	}
	if got := string(r.Changes); got != `[{"field":"a","change":"NULLED","reason":"SOURCE_RETRIEVAL_ERROR"}]` {
		t.Errorf("changes %s", got)
	}
	if m, err = protocol.Parse([]byte("\uFEFF" + `{"type":"RECORD","record":{"stream":"s","data":{}}}`)); err != nil || m.Kind != protocol.KindRecord {
		t.Errorf("%+v, %v", m, err)
	}
	m, err = protocol.Parse([]byte("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s\",\"namespace\":\"n\",\"emitted_at\":1.5e3,\"data\":{\"a\":\"\xff\"},\"file_reference\":{}}}"))
	if err != nil || m.Record.EmittedAt != 1500 || string(m.Record.Data) != `{"a":"`+"\uFFFD"+`"}` || !m.Record.File || m.Record.Stream.Namespace != "n" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	for _, line := range []string{"", "Traceback (most recent call last):", "[1]", "{", `{"ty`, `{"x":NaN}`, `{"type":"LOG"`, `{'type': 'RECORD'}`, `"RECORD"`, "{'type': 'LOG'}", "{} {}"} {
		if _, err := protocol.Parse([]byte(line)); !errors.Is(err, protocol.ErrNotJSON) {
			t.Errorf("%q: %v", line, err)
		}
	}
	for _, line := range []string{`{}`, `{"type":"LOG","log":{}}`, `{"type":null}`, `{"type":7}`, `{"type":"TRACE","trace":{"type":"ESTIMATE"}}`, `{"type":"TRACE"}`, `{"type":"CONTROL"}`} {
		if m, err := protocol.Parse([]byte(line)); err != nil || m.Kind != protocol.Other {
			t.Errorf("%q: %+v, %v", line, m, err)
		}
	}
}

func TestBrokenMessages(t *testing.T) {
	for line, want := range map[string]string{
		`{"type":"RECORD"}`:                                                                    "without a record",
		`{"type":"RECORD"`:                                                                     "unexpected end",
		`{ "record":{"stream":"s","da`:                                                         "unexpected end",
		`{"type":"STATE","state":{"n":NaN}}`:                                                   "invalid character 'N'",
		`{"type":"RECORD","record":{"data":{}}}`:                                               "without the name",
		`{"type":"RECORD","record":{"stream":"s"}}`:                                            "not an object",
		`{"type":"RECORD","record":{"stream":"s","data":[1]}}`:                                 "not an object",
		`{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":"x"}}`:                 "emitted_at",
		`{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":1795194229756000000}}`: "emitted_at",
		`{"type":"RECORD","record":{"stream":"s","data":{},"emitted_at":-1.8e18}}`:             "emitted_at",
		`{"type":"STATE","state":null}`:                                                        "without a state",
		`{"type":"STATE","state":{"type":"STREAM"}}`:                                           "without the name",
		`{"type":"STATE","state":{"type":"ODD"}}`:                                              "unknown type",
		`{"type":"TRACE","trace":{"type":"STREAM_STATUS"}}`:                                    "unknown value",
		`{"type":"TRACE","trace":{"type":"STREAM_STATUS","stream_status":{"status":"COMPLETE","stream_descriptor":null}}}`: "without the name",
	} {
		if _, err := protocol.Parse([]byte(line)); err == nil || errors.Is(err, protocol.ErrNotJSON) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestStatus(t *testing.T) {
	m, err := protocol.Parse([]byte(`{"trace":{"emitted_at":1,"stream_status":{"status":"COMPLETE","stream_descriptor":{"namespace":"n","name":"s"},"reasons":null},"type":"STREAM_STATUS"},"type":"TRACE"}`))
	want := protocol.Status{Stream: protocol.Descriptor{Namespace: "n", Name: "s"}, Status: protocol.Complete}
	if err != nil || m.Kind != protocol.KindStatus || m.Status != want {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestStatesComeBackByteForByte(t *testing.T) {
	const stats = `"destinationStats":{"recordCount":3.0}`
	for in, want := range map[string]string{
		`{"type":"STATE","state":{"data":{"a":1}}}`:       `{"type":"STATE","state":{"data":{"a":1},` + stats + `}}`,
		`{"type":"STATE","state":{}}`:                     `{"type":"STATE","state":{` + stats + `}}`,
		`{"state":{ "data":{} },"id":7,  "type":"STATE"}`: `{"state":{ "data":{} ,` + stats + `},"id":7,  "type":"STATE"}`,
		`{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"s"},"stream_state":{"n":1e2,"n":2}},"sourceStats":{"recordCount":1.0}},"logs":[]}`: `` +
			`{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"s"},"stream_state":{"n":1e2,"n":2}},"sourceStats":{"recordCount":1.0},` + stats + `},"logs":[]}`,
		`{"type":"STATE","state":{"destinationStats":{"recordCount":9},"type":"GLOBAL"}}`:       `{"type":"STATE","state":{"type":"GLOBAL",` + stats + `}}`,
		`{"type":"STATE","state":{"type":"GLOBAL" , "destinationStats":null,"x":"}"}}`:          `{"type":"STATE","state":{"type":"GLOBAL","x":"}",` + stats + `}}`,
		`{"type":"STATE","state":{"destinationStats":{}}}`:                                      `{"type":"STATE","state":{` + stats + `}}`,
		`{"type":"STATE","state":{"a":1},"state":{"type":"GLOBAL","x":{"destinationStats":1}}}`: `{"type":"STATE","state":{"a":1},"state":{"type":"GLOBAL","x":{"destinationStats":1},` + stats + `}}`,
	} {
		m, err := protocol.Parse([]byte(in))
		if err != nil || m.Kind != protocol.KindState {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := string(m.State.Echo(nil, 3)); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// FuzzParse: no line makes it panic, and an echo is the state with the one
// member more.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"STATE","state":{"type":"GLOBAL","destinationStats":null,"global":{}},"x":1}`))
	f.Add([]byte(`{"type":"RECORD","record":{"stream":"s","data":{"a":[1]},"emitted_at":1,"meta":{"changes":[]}}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := protocol.Parse(line)
		if err != nil || m.Kind != protocol.KindState {
			return
		}
		var got, want struct{ State map[string]any }
		if json.Unmarshal(line, &want) != nil {
			return // keys that differ in case alone
		}
		echo := m.State.Echo(nil, 12)
		if err := json.Unmarshal(echo, &got); err != nil {
			t.Fatalf("%s: %v", echo, err)
		}
		var raw struct{ State json.RawMessage }
		if json.Unmarshal(echo, &raw) != nil || !bytes.Contains(raw.State, []byte(`"destinationStats":{"recordCount":12.0}`)) {
			t.Fatalf("%s became %s", line, echo)
		}
		if strings.Count(string(line), `"state"`) > 1 || strings.Contains(strings.ToLower(string(line)), `\u`) || strings.Contains(strings.ToLower(string(line)), "state\":") && bytes.Count(bytes.ToLower(line), []byte(`"state"`)) > 1 {
			return // encoding/json merges repeated objects
		}
		for k := range got.State {
			if strings.EqualFold(k, "destinationStats") {
				delete(got.State, k)
				delete(want.State, k)
			}
		}
		if len(want.State) > 0 && !reflect.DeepEqual(got.State, want.State) {
			t.Fatalf("%s became %s", line, echo)
		}
	})
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 700<<10)
	text := "one\n\n" + long + "\nfour\r\nlast"
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(text), "in halves": iotest.HalfReader(strings.NewReader(text)), "with its end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		l := protocol.NewLines(r)
		var got []byte
		var buf []byte
		next := int64(1)
		for {
			chunk, first, err := l.Next(buf)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if first != next {
				t.Errorf("%s: line %d, want %d", name, first, next)
			}
			next += int64(bytes.Count(chunk, []byte("\n")))
			if !bytes.HasSuffix(chunk, []byte("\n")) && !bytes.HasSuffix(chunk, []byte("last")) {
				t.Errorf("%s: a chunk ends within a line", name)
			}
			got = append(got, chunk...)
			buf = chunk
		}
		if string(got) != text {
			t.Errorf("%s: %d bytes of %d", name, len(got), len(text))
		}
	}
	broken := errors.New("cable cut")
	if _, _, err := protocol.NewLines(iotest.ErrReader(broken)).Next(nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// What has arrived is given out, though the source has not ended.
func TestLinesDoNotWait(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	l := protocol.NewLines(r)
	go func() { _, _ = w.Write([]byte("a\nb")) }()
	if chunk, _, err := l.Next(nil); err != nil || string(chunk) != "a\n" {
		t.Fatalf("%q, %v", chunk, err)
	}
	go func() { _, _ = w.Write([]byte("\n")) }()
	if chunk, first, err := l.Next(nil); err != nil || string(chunk) != "b\n" || first != 2 {
		t.Fatalf("%q at %d, %v", chunk, first, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

func TestALineThatNeverEnds(t *testing.T) {
	_, _, err := protocol.NewLines(endless{}).Next(nil)
	if err == nil || !strings.Contains(err.Error(), "line 1: longer than 128 MB") {
		t.Fatal(err)
	}
}

func TestMessagesOut(t *testing.T) {
	var out bytes.Buffer
	w := protocol.NewWriter(&out, func() time.Time { return time.UnixMilli(5) })
	w.Log(protocol.Info, "line %d", 3)
	for _, err := range []error{
		w.Error(protocol.TransientError, `it "broke"`), w.Connection(nil), w.Connection(errors.New("no\nway")), w.Spec(json.RawMessage(`{"a": 1}`)), w.Line([]byte("{}")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := `{"type":"LOG","log":{"level":"INFO","message":"line 3"}}
{"type":"TRACE","trace":{"type":"ERROR","emitted_at":5,"error":{"message":"it \"broke\"","internal_message":"it \"broke\"","failure_type":"transient_error"}}}
{"type":"CONNECTION_STATUS","connectionStatus":{"status":"SUCCEEDED"}}
{"type":"CONNECTION_STATUS","connectionStatus":{"status":"FAILED","message":"no\nway"}}
{"type":"SPEC","spec":{"a":1}}
{}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	r, pw := io.Pipe()
	_ = r.Close()
	w = protocol.NewWriter(pw, time.Now)
	if err := w.Line([]byte("{}")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	if err := w.Connection(nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the error did not stay: %v", err)
	}
}

func TestCatalog(t *testing.T) {
	got, err := protocol.ParseCatalog([]byte(`{"extra":1,"streams":[
		{"stream":{"name":"a","namespace":"n","json_schema":{"type":"object"}},"destination_sync_mode":"append","generation_id":0,"minimum_generation_id":0,"sync_id":42},
		{"stream":{"name":"a","namespace":null,"json_schema":null},"destination_sync_mode":"overwrite"},
		{"stream":{"name":"b"},"destination_sync_mode":"overwrite","generation_id":2,"minimum_generation_id":2}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []protocol.Stream{
		{Descriptor: protocol.Descriptor{Namespace: "n", Name: "a"}, Schema: json.RawMessage(`{"type":"object"}`), SyncID: 42, Generations: true},
		{Descriptor: protocol.Descriptor{Name: "a"}, Schema: json.RawMessage(`{}`), Mode: protocol.Overwrite},
		{Descriptor: protocol.Descriptor{Name: "b"}, Schema: json.RawMessage(`{}`), Mode: protocol.Overwrite, Generations: true, Generation: 2, Minimum: 2},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got[0].Truncates() || !got[1].Truncates() || !got[2].Truncates() {
		t.Error("truncation")
	}
	for text, want := range map[string]string{
		`[]`: "cannot be read", `{}`: `no "streams"`, `{"streams":[{}]}`: "stream 1 of the catalog has no name",
		`{"streams":[{"stream":{"name":"a"}},{"stream":{"name":"a","namespace":""}}]}`:      "twice",
		`{"streams":[{"stream":{"name":"a"},"destination_sync_mode":"soft_delete"}]}`:       "soft_delete",
		`{"streams":[{"stream":{"name":"a"},"include_files":true}]}`:                        "include_files",
		`{"streams":[{"stream":{"name":"a"},"generation_id":5,"minimum_generation_id":3}]}`: "part of the older data",
		`{"streams":[{"stream":{"name":"a"},"generation_id":5,"minimum_generation_id":7}]}`: "above the generation",
		`{"streams":[{"stream":{"name":"a"},"minimum_generation_id":-1}]}`:                  "negative",
	} {
		if _, err := protocol.ParseCatalog([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
