package airbyte

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"strm/internal/objstore/s3server/s3fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func jsonl() map[string]any {
	return map[string]any{"format_type": "JSONL", "compression": map[string]any{"compression_type": "No Compression"}}
}

// Lines that are no messages are told by their number and ignored; messages
// that are broken end the sync.
func TestMalformedLines(t *testing.T) {
	w := newWorld(t, jsonl())
	a := w.sync([]stream{one(0, 0, 1)}, "Downloading...", record(`{"id":1}`, 1), "", `{"downloaded": NaN}`, `{"type":"NEW_THING","x":1}`, complete()).must()
	logs := strings.Join(a.of("LOG"), "\n")
	for _, want := range []string{`"INFO","message":"line 1 is no JSON object and is ignored: Downloading...`, `"WARN","message":"line 4 is no JSON object`, "2 lines were no JSON objects"} {
		if !strings.Contains(logs, want) {
			t.Errorf("%q is not in %s", want, logs)
		}
	}
	expect(t, "rows", values(w.rows(""), "id"), "1")
	for line, words := range map[string]string{
		`{"type":"RECORD","record":{"stream":"test_stream","data":"x"}}`:                                          "line 2: a record of stream \"test_stream\" whose data is not an object",
		`{"type":"STATE","state":{"type":"STREAM","stream":{}}}`:                                                  "line 2: a STREAM state without the name",
		`{"type":"RECORD","record":{"stream":"test_stream","data":{},"file_reference":{"staging_file_url":"x"}}}`: "line 2: a record of stream Descriptor(namespace=null, name=test_stream) refers to a file",
		`{"type":"RECORD","record":{"stream":"test_stream","data":{},"meta":{"changes":[{"field":5}]}}}`:          "line 2: a record of stream Descriptor(namespace=null, name=test_stream): meta.changes",
		`{"type":"RECORD","record":{"str`:                                                                         "line 2: a message that is not valid JSON: unexpected end of JSON input",
		`{"record":{"stream":"test_stream","data":{"id":NaN},"emitted_at":1},"type":"RECORD"}`:                    "line 2: a message that is not valid JSON: invalid character 'N'",
		record(`{"id":`+strings.Repeat("[", 10001)+strings.Repeat("]", 10001)+`}`, 1):                             "exceeded max depth",
	} {
		w.sync([]stream{one(0, 0, 1)}, record(`{"id":2}`, 1), line, complete()).fails(words, "config_error")
	}
	expect(t, "rows", values(w.rows(""), "id"), "1")
}

// A source that died while it wrote a line, and sends no statuses: what came is
// stored, and the end of the input is no success.
func TestInputThatBreaksOff(t *testing.T) {
	for _, last := range []string{"{", `{"ty`, record(`{"id":2}`, 1)[:60]} {
		w := newWorld(t, jsonl(), "assume_complete_at_eof", true)
		st := state(`{}`, "")
		in := strings.NewReader(strings.Join([]string{record(`{"id":1}`, 1), st, last}, "\n"))
		a := w.command(in, w.files([]stream{one(0, 0, 1)})...).fails("the input breaks off in line 3", "transient_error")
		expect(t, "states", a.states(), echo(st, 1))
		expect(t, "rows", values(w.rows(""), "id"), "1")
		// What was said to be complete is.
		in = strings.NewReader(strings.Join([]string{record(`{"id":3}`, 1), complete(), last}, "\n"))
		w.command(in, w.files([]stream{one(0, 0, 2)})...).must()
	}
}

func TestMixedStates(t *testing.T) {
	w := newWorld(t, jsonl())
	for _, other := range []string{`{"type":"STATE","state":{"type":"GLOBAL","global":{}}}`, `{"type":"STATE","state":{"data":{}}}`} {
		w.sync([]stream{one(0, 0, 1)}, state(`{}`, ""), other, complete()).fails("line 2: the source mixes states", "config_error")
	}
}

// A global state waits for all streams before it, and no state overtakes.
func TestStatesInOrder(t *testing.T) {
	w := newWorld(t, jsonl(), "file_size_mb", 1)
	var slow atomic.Bool
	w.faults.SetDecide(func(r s3fault.Request) s3fault.Fault {
		if strings.Contains(r.Key, "/a/") && slow.CompareAndSwap(false, true) {
			return s3fault.Fault{Kind: s3fault.Busy} // the first object of a comes late
		}
		return s3fault.Fault{}
	})
	streams := []stream{{name: "a", gen: 0, min: 0, sync: 1}, {name: "b", gen: 0, min: 0, sync: 1}}
	big := fmt.Sprintf(`{"id":1,"pad":%q}`, strings.Repeat("x", 1_000_000))
	global := func(n int) string {
		return fmt.Sprintf(`{"type":"STATE","state":{"type":"GLOBAL","global":{"shared_state":{"n":%d}}}}`, n)
	}
	a := w.sync(streams, recordOf("a", "", big, 1), global(1), recordOf("b", "", big, 1), global(2), recordOf("a", "", big, 1), recordOf("b", "", big, 1), global(3), global(3),
		status("a", "", "COMPLETE"), status("b", "", "COMPLETE")).must()
	if got, want := a.states(), []string{echo(global(1), 1), echo(global(2), 1), echo(global(3), 2), echo(global(3), 0)}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if keys := w.keys(); len(keys) != 4 {
		t.Errorf("%q", keys)
	}
}

func TestIncomplete(t *testing.T) {
	w := newWorld(t, jsonl())
	w.sync([]stream{one(1, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	st := state(`{}`, "")
	other := stream{name: "other", gen: 1, min: 1, sync: 2}
	a := w.sync([]stream{one(2, 2, 2), other}, record(`{"id":2}`, 1), st, status("test_stream", "", "INCOMPLETE"), status("other", "", "RUNNING")).
		fails("the source reports INCOMPLETE for Descriptor(namespace=null, name=test_stream); the input ended without a COMPLETE status for Descriptor(namespace=null, name=other)", "transient_error")
	expect(t, "states", a.states(), echo(st, 1))
	expect(t, "nothing deleted", values(w.rows(""), "id"), "1", "2")
}

// Answers are lost, requests fail: every record is there once, for the marks on
// objects tell which write was ours.
func TestLostAnswers(t *testing.T) {
	for name, fault := range map[string]s3fault.Fault{
		"dropped": {Kind: s3fault.Drop}, "answer lost": {Kind: s3fault.Drop, After: true}, "busy": {Kind: s3fault.Busy}, "failed after": {Kind: s3fault.Internal, After: true},
		"conflict": {Kind: s3fault.Conflict}, "reset": {Kind: s3fault.Reset},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, jsonl())
			var n atomic.Int32
			w.faults.SetDecide(func(r s3fault.Request) s3fault.Fault {
				if r.Action == "s3:PutObject" && n.Add(1) <= 2 {
					return fault
				}
				return s3fault.Fault{}
			})
			st := state(`{}`, "")
			a := w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), st, complete()).must()
			expect(t, "states", a.states(), echo(st, 1))
			expect(t, "rows", values(w.rows(""), "id"), "1")
			if n.Load() < 3 && !fault.After {
				t.Errorf("%d puts", n.Load())
			}
		})
	}
}

// An overwriting sync asks more than once for whatever it needs, at its
// beginning and, after hours of records, at its end.
func TestOverwriteUnderFaults(t *testing.T) {
	actions := []string{"s3:PutObject", "s3:ListBucket", "s3:GetObject", "s3:DeleteObject"}
	for _, action := range actions {
		for name, fault := range map[string]s3fault.Fault{"dropped": {Kind: s3fault.Drop}, "answer lost": {Kind: s3fault.Drop, After: true}, "busy": {Kind: s3fault.Busy}} {
			for nth := int32(1); nth <= 3; nth++ {
				t.Run(fmt.Sprint(action, " ", name, " ", nth), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, jsonl(), "s3_path_format", "${STREAM_NAME}/", "file_name_pattern", "part_{part_number}{format_extension}")
					w.sync([]stream{one(1, 1, 1)}, record(`{"id":1}`, 1), complete()).must()
					var n atomic.Int32
					w.faults.SetDecide(func(r s3fault.Request) s3fault.Fault {
						if r.Action == action && n.Add(1) == nth {
							return fault
						}
						return s3fault.Fault{}
					})
					w.sync([]stream{one(2, 2, 2)}, record(`{"id":2}`, 1), complete()).must()
					expect(t, "rows", values(w.rows(""), "id"), "2")
					if keys := w.keys(); len(keys) != 1 {
						t.Errorf("%q", keys)
					}
				})
			}
		}
	}
}

// With the right to put alone a lost answer cannot be told from a foreign
// object: then the records are there twice, with the same ids, never lost.
func TestLostAnswerWithoutTheRightToRead(t *testing.T) {
	put := func(r s3fault.Request) bool { return r.Action == "s3:PutObject" }
	w := policyWorld(t, put, jsonl())
	var n atomic.Int32
	w.faults.SetDecide(func(r s3fault.Request) s3fault.Fault {
		if r.Action == "s3:PutObject" && n.Add(1) == 1 {
			return s3fault.Fault{Kind: s3fault.Drop, After: true}
		}
		return s3fault.Fault{}
	})
	a := w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	if !strings.Contains(strings.Join(a.of("LOG"), ""), "its records are written again under another name") {
		t.Error("nothing was said")
	}
	keys := w.keys()
	if len(keys) != 2 {
		t.Fatalf("%q", keys)
	}
	one, _ := w.get(keys[0])
	two, _ := w.get(keys[1])
	if string(one) != string(two) {
		t.Error("the objects differ")
	}
}

// A foreign object under our name stays as it is.
func TestTakenNames(t *testing.T) {
	w := newWorld(t, jsonl(), "s3_path_format", "${STREAM_NAME}/", "file_name_pattern", "part_{part_number}{format_extension}")
	w.put("test/path/test_stream/part_0.jsonl", []byte("foreign"), nil)
	w.put("test/path/test_stream/part_41.jsonl", []byte("foreign"), nil)
	w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	if keys := w.keys(); !slices.Equal(keys, []string{"test/path/test_stream/part_0.jsonl", "test/path/test_stream/part_41.jsonl", "test/path/test_stream/part_42.jsonl"}) {
		t.Errorf("%q", keys)
	}
	w = newWorld(t, jsonl(), "s3_path_format", "${STREAM_NAME}/", "file_name_pattern", "all{format_extension}")
	w.put("test/path/test_stream/all.jsonl", []byte("foreign"), nil)
	w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	if keys := w.keys(); !slices.Equal(keys, []string{"test/path/test_stream/all-1.jsonl", "test/path/test_stream/all.jsonl"}) {
		t.Errorf("%q", keys)
	}
	if data, _ := w.get("test/path/test_stream/all.jsonl"); string(data) != "foreign" {
		t.Errorf("it became %q", data)
	}
}

// Two destinations in one place are kept apart by their ids; with one id, what
// can be told of the other stops the deletion.
func TestTwoPipelines(t *testing.T) {
	w := newWorld(t, jsonl(), "destination_id", "one")
	w.sync([]stream{one(5, 5, 1)}, record(`{"id":1}`, 1), complete()).must()
	w.config["destination_id"] = "two"
	w.sync([]stream{one(9, 9, 1)}, record(`{"id":2}`, 1), complete()).must()
	expect(t, "two ids", values(w.rows(""), "id"), "1", "2")
	w.config["destination_id"] = "one"
	w.sync([]stream{one(3, 3, 1)}, record(`{"id":3}`, 1), complete()).fails("is of generation 5, newer than this sync's 3", "config_error")
	expect(t, "an older generation", values(w.rows(""), "id"), "1", "2", "3")
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, jsonl())
	w.sync([]stream{one(1, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	w.put("test/path/test_stream/foreign.jsonl", []byte("{}"), nil)
	before := w.keys()
	a := w.command(strings.NewReader(""), w.files([]stream{one(2, 2, 2)}, "--dry-run")...).must()
	logs := strings.Join(a.of("LOG"), "\n")
	if !strings.Contains(logs, "would delete s3://"+bucketName+"/"+before[0]+" (generation 1, ") || strings.Contains(logs, "foreign") || !strings.Contains(logs, "1 objects would be deleted") {
		t.Error(logs)
	}
	if after := w.keys(); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
}

// Overwriting is refused before anything is read where it could not be ended.
func TestOverwriteNeedsMoreRights(t *testing.T) {
	for _, missing := range []string{"s3:ListBucket", "s3:GetObject", "s3:DeleteObject"} {
		w := policyWorld(t, func(r s3fault.Request) bool { return r.Action != missing }, jsonl(), "s3_bucket_region", "us-east-1")
		w.sync([]stream{one(1, 1, 1)}, record(`{"id":1}`, 1), complete()).fails("an overwriting sync needs more than appending: ", "config_error")
		if rows := w.rows(""); len(rows) != 0 {
			t.Errorf("%s: %d rows", missing, len(rows))
		}
		w.sync([]stream{one(0, 0, 1)}, record(`{"id":1}`, 1), complete()).must()
	}
}

func (w *world) check() (status, message string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "config.json")
	write(w.t, file, w.config)
	a := w.command(strings.NewReader(""), "airbyte", "check", "--config", file).must()
	all := a.of("CONNECTION_STATUS")
	if len(all) != 1 {
		w.t.Fatalf("%d answers: %q", len(all), a.lines)
	}
	var m struct {
		ConnectionStatus struct{ Status, Message string }
	}
	if err := json.Unmarshal([]byte(all[0]), &m); err != nil {
		w.t.Fatal(err)
	}
	return m.ConnectionStatus.Status, m.ConnectionStatus.Message
}

func TestCheck(t *testing.T) {
	put := func(r s3fault.Request) bool { return r.Action == "s3:PutObject" }
	w := policyWorld(t, put, jsonl())
	if s, m := w.check(); s != "SUCCEEDED" {
		t.Errorf("with the right to put: %s %s", s, m)
	}
	if keys := w.keys(); !slices.Equal(keys, []string{"test/path/_strm_connection_test"}) {
		t.Errorf("%q", keys)
	}
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"check_overwrite", true, "list: "},
		{"s3_bucket_name", "strm-no-such-bucket", "bucket: "},
		{"s3_bucket_name", "arn:aws:s3:::x", "not its ARN"},
		{"s3_endpoint", "https://b.s3-website-us-east-1.amazonaws.com", "static website"},
		{"s3_endpoint", "http://127.0.0.1:1", "endpoint: "},
		{"format", map[string]any{"format_type": "Avro"}, "Avro is not supported"},
		{"s3_path_format", "${NAME}", "${NAME} is not known"},
		{"secret_access_key", nil, "go together"},
		{"column_names", map[string]any{"time": "_airbyte_raw_id"}, "_airbyte_raw_id\" would stand for two things"},
		{"role_arn", "arn:aws:iam::123456789012:role/x", "not both"},
	} {
		old := w.config[c.key]
		w.config[c.key] = c.value
		w.faults.SetPolicy(nil)
		if c.key == "check_overwrite" {
			w.faults.SetPolicy(put)
		}
		if s, m := w.check(); s != "FAILED" || !strings.Contains(m, c.want) {
			t.Errorf("%s %v: %s %q, want %q", c.key, c.value, s, m, c.want)
		}
		w.config[c.key] = old
	}
	w.faults.SetPolicy(func(r s3fault.Request) bool { return r.Action != "s3:PutObject" })
	if s, m := w.check(); s != "FAILED" || !strings.HasPrefix(m, "put: ") || !strings.Contains(m, "s3:PutObject on arn:aws:s3:::"+bucketName+"/test/path/") {
		t.Errorf("%s %s", s, m)
	}
	w.faults.SetPolicy(nil)
	w.config["check_overwrite"] = true
	before := w.keys()
	if s, m := w.check(); s != "SUCCEEDED" {
		t.Errorf("%s %s", s, m)
	}
	if keys := w.keys(); !slices.Equal(keys, before) {
		t.Errorf("left: %q", keys)
	}
}

// A wrong configuration or catalog fails the sync with a message, a missing file
// too.
func TestWrongInput(t *testing.T) {
	w := newWorld(t, jsonl())
	w.config["s3_bucket_name"] = "x"
	w.sync([]stream{one(0, 0, 1)}).fails("s3_bucket_name", "config_error")
	w = newWorld(t, jsonl())
	w.sync([]stream{{name: "s", mode: "soft_delete"}}).fails("soft_delete", "config_error")
	w.sync([]stream{{name: "../up"}}).fails(`would have ".." as a part`, "config_error")
	args := w.files(nil)
	if err := os.Remove(args[3]); err != nil {
		t.Fatal(err)
	}
	w.command(strings.NewReader(""), args...).fails("--config: ", "config_error")
}

// The spec is what it was: a change is seen.
func TestSpec(t *testing.T) {
	w := newWorld(t, jsonl())
	a := w.command(strings.NewReader(""), "airbyte", "spec").must()
	if len(a.of("SPEC")) != 1 || len(a.lines) != 1 {
		t.Fatalf("%q", a.lines)
	}
	golden := filepath.Join("testdata", "spec.golden.json")
	want, err := os.ReadFile(golden)
	if *update {
		err = os.WriteFile(golden, []byte(a.lines[0]+"\n"), 0o644)
		want = []byte(a.lines[0] + "\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != a.lines[0]+"\n" {
		t.Errorf("spec changed; got %s", a.lines[0])
	}
}

// Tarsal's layout, as its pages show it.
func TestTarsal(t *testing.T) {
	const data = `{"user_id":123,"name":{"first":"John","last":"Doe"}}`
	s := stream{name: "my-users", schema: `{"type":"object","properties":{"user_id":{"type":"integer"},"name":{"type":"object"}}}`}
	for name, c := range map[string]struct {
		format map[string]any
		want   string // with ID for the id
	}{
		"jsonl":    {map[string]any{"format_type": "JSONL"}, `{"_tarsal_metadata":{"_tarsal_ab_id":"ID","_tarsal_emitted_at":"1631948170000"},"data":` + data + "}\n"},
		"csv":      {map[string]any{"format_type": "CSV", "flattening": "No flattening"}, "\"_tarsal_metadata\",\"data\"\r\n" + `"{""_tarsal_ab_id"":""ID"",""_tarsal_emitted_at"":""1631948170000""}","{""user_id"":123,""name"":{""first"":""John"",""last"":""Doe""}}"` + "\r\n"},
		"csv flat": {map[string]any{"format_type": "CSV", "flattening": "Root-level flattening"}, "\"_tarsal_emitted_at\",\"_tarsal_ab_id\",\"name\",\"user_id\"\r\n" + `"1631948170000","ID","{""first"":""John"",""last"":""Doe""}","123"` + "\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.format, "layout", "tarsal", "stream_prefix", "prefix_", "s3_bucket_path", "data_output_path")
			for range 3 {
				w.sync([]stream{s}, recordOf("my-users", "", data, 1631948170000)).must()
			}
			keys := w.keys()
			if len(keys) != 3 {
				t.Fatalf("%q", keys)
			}
			for _, key := range keys {
				var y, m, d int
				var ms int64
				var ext string
				if n, err := fmt.Sscanf(key, "data_output_path/prefix_my_users/%4d_%2d_%2d_%13d_0.%s", &y, &m, &d, &ms, &ext); n != 5 || !strings.HasPrefix(name, ext) {
					t.Errorf("%s: %v", key, err)
				}
				text, _ := w.get(key)
				got := anyUUID.ReplaceAllString(string(text), "ID")
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}
