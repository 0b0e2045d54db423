package segment_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"strm/internal/collect/segment"
	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/problem"
)

func calls(list ...string) string { return `{"batch":[` + strings.Join(list, ",") + `]}` }

func TestWriteKeys(t *testing.T) {
	for _, c := range []struct {
		name, auth, body string
		status           int
		code             string
	}{
		{"basic", basic("right:"), batch, 200, ""},
		{"basic, no colon", basic("right"), batch, 200, ""},
		{"basic, a password", basic("right:x:y"), batch, 200, ""},
		{"basic, not padded", "basic " + strings.TrimRight(basic("right")[6:], "="), batch, 200, ""},
		{"body", "", `{"writeKey":"right","batch":[` + one + `]}`, 200, ""},
		{"first call", "", calls(`{"writeKey":"right",` + one[1:]), 200, ""},
		{"bearer", "Bearer ey.ab.c", `{"writeKey":"right","batch":[` + one + `]}`, 200, ""},
		{"basic of nothing", basic(":"), `{"writeKey":"right","batch":[` + one + `]}`, 200, ""},
		{"basic that is none", "Basic ***", `{"writeKey":"right","batch":[` + one + `]}`, 200, ""},
		{"header before body", basic("right"), `{"writeKey":"wrong","batch":[` + one + `]}`, 200, ""},
		{"header before body, wrong", basic("wrong"), `{"writeKey":"right","batch":[` + one + `]}`, 401, "unknown_write_key"},
		{"wrong in the body", "", `{"writeKey":"wrong","batch":[` + one + `]}`, 401, "unknown_write_key"},
		{"none", "", batch, 401, "no_write_key"},
		{"bearer alone", "Bearer right", batch, 401, "no_write_key"},
		{"another kind", basic("events"), batch, 403, "wrong_source_kind"},
		{"another kind in the body", "", `{"writeKey":"events","batch":[` + one + `]}`, 403, "wrong_source_kind"},
		{"a lookup that lies", basic("mismatch"), batch, 401, "unknown_write_key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, ingest.Options{})
			w := r.post("/v1/batch", c.body, "Authorization", c.auth, "Origin", "https://shop.example")
			wellAnswered(t, w, "https://shop.example")
			if w.Code != c.status || c.code != "" && codeOf(w) != c.code || (r.stored() != "") != (c.status == 200) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Header().Get("WWW-Authenticate") != "" {
				t.Error("a browser would ask for a password")
			}
			if said := r.said.String(); strings.Contains(said, "right") || strings.Contains(said, "wrong\"") || strings.Contains(said, hash("right")) {
				t.Errorf("the log says %s", said)
			}
		})
	}
}

func TestWriteKeyInLines(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t, segment.Deps{WriteKeyInLines: keep}, ingest.Options{})
		r.post("/v1/batch", batch)
		r.post("/v1/batch", `{"writeKey":"right","batch":[`+one+`]}`, "Authorization", "")
		for _, l := range r.lines() {
			if (l["writeKey"] == "right") != keep {
				t.Errorf("%v: %v", keep, l["writeKey"])
			}
		}
	}
}

func TestContentTypeAndEncoding(t *testing.T) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ typ, enc, body string }{
		{"application/json", "", batch}, {"text/plain", "", batch}, {"application/json; charset=utf-8", "", batch}, {"", "", batch},
		{"multipart/form-data", "identity", batch}, {"%%%", "gzip", zipped(batch)}, {"text/plain", "x-gzip", zipped(batch)},
		{"text/plain", "zstd", string(z.EncodeAll([]byte(batch), nil))},
	} {
		r := newRig(t, segment.Deps{}, ingest.Options{})
		if w := r.post("/v1/b", c.body, "Content-Type", c.typ, "Content-Encoding", c.enc); w.Code != 200 || len(r.lines()) != 1 {
			t.Errorf("%s, %s: %d %s", c.typ, c.enc, w.Code, w.Body)
		}
	}
}

func TestRefusals(t *testing.T) {
	big := `{"type":"track","event":"E","userId":"u","properties":{"x":"` + strings.Repeat("x", 33<<10) + `"}}`
	many := calls(strings.Split(strings.TrimSuffix(strings.Repeat(one+"\n", 2501), "\n"), "\n")...)
	full := calls(strings.Split(strings.TrimSuffix(strings.Repeat(`{"type":"track","event":"E","userId":"u","x":"`+strings.Repeat("x", 20_000)+"\"}\n", 26), "\n"), "\n")...)
	for _, c := range []struct {
		name, path, body string
		head             []string
		code             string
		message          string
		told             string
	}{
		{name: "not JSON", path: "/v1/batch", body: "{", code: "invalid_json", told: "answered web invalid; refused web invalid"},
		{name: "not JSON, nobody's", path: "/v1/batch", body: "{", head: []string{"Authorization", ""}, code: "invalid_json", told: "answered  invalid; refused  invalid"},
		{name: "empty", path: "/v1/t", body: "", code: "invalid_json"},
		{name: "an array", path: "/v1/batch", body: "[]", code: "invalid_body"},
		{name: "no batch", path: "/v1/batch", body: "{}", code: "invalid_body"},
		{name: "ten thousand brackets", path: "/v1/batch", body: strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), code: "too_deep"},
		{name: "brackets within", path: "/v1/t", body: `{"userId":"u","event":"e","properties":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + "}", code: "too_deep"},
		{name: "call too large", path: "/v1/t", body: big, code: "event_too_large"},
		{name: "call of a batch too large", path: "/v1/batch", body: calls(one, big), code: "event_too_large", message: "call 1"},
		{name: "too many", path: "/v1/batch", body: many, code: "too_many_events"},
		{name: "a batch of the most", path: "/v1/batch", body: full},
		{name: "body too large", path: "/v1/batch", body: calls(full[10:len(full)-2], big), code: "body_too_large", message: "532480", told: "answered web too_large; refused web too_large"},
		{name: "bomb", path: "/v1/batch", body: zipped(strings.Repeat(" ", 50<<20)), head: []string{"Content-Encoding", "gzip"}, code: "body_too_large", message: "decompressed"},
		{name: "no gzip", path: "/v1/b", body: batch, head: []string{"Content-Encoding", "gzip"}, code: "damaged_encoding"},
		{name: "gzip cut", path: "/v1/b", body: zipped(batch)[:20], head: []string{"Content-Encoding", "gzip"}, code: "damaged_encoding"},
		{name: "brotli", path: "/v1/b", body: batch, head: []string{"Content-Encoding", "br"}, code: "unsupported_encoding"},
		{name: "no type", path: "/v1/batch", body: calls(`{"userId":"u"}`), code: "no_type", message: "call 0", told: "answered web invalid; refused web invalid; rejected web no_type 1"},
		{name: "dropped, then no call", path: "/v1/batch", body: calls(`{"type":"track","userId":"u"}`, "7"), code: "not_an_object", message: "call 1"},
		{name: "message id too long", path: "/v1/t", body: `{"userId":"u","event":"e","messageId":"` + strings.Repeat("m", 101) + `"}`, code: "bad_message_id"},
		{name: "message id with a newline", path: "/v1/t", body: `{"userId":"u","event":"e","messageId":"a\nb"}`, code: "bad_message_id"},
		{name: "message id that is none", path: "/v1/t", body: `{"userId":"u","event":"e","messageId":{"a":1}}`, code: "bad_message_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, ingest.Options{})
			w := r.post(c.path, c.body, append([]string{"Origin", "https://shop.example"}, c.head...)...)
			wellAnswered(t, w, "https://shop.example")
			if c.code == "" {
				if w.Code != 200 || len(r.lines()) != 26 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			if w.Code != http.StatusBadRequest || codeOf(w) != c.code || !strings.Contains(w.Body.String(), c.message) || r.stored() != "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if got := r.seen.take(); c.told != "" && got != c.told {
				t.Errorf("told %s, want %s", got, c.told)
			}
		})
	}
}

// A bad call never takes its neighbours with it, and calls that Segment takes
// and drops are no fault.
func TestCallsLeftOut(t *testing.T) {
	noUser, noEvent, noType := `{"type":"page"}`, `{"type":"track","userId":"u"}`, `{"userId":"u"}`
	for _, c := range []struct {
		body  string
		lines int
		told  string
	}{
		{calls(one, noType, "[]", noUser, one), 2, "accepted web 2; answered web stored; rejected web no_type 1; rejected web no_user 1; rejected web not_an_object 1"},
		{calls(noUser, noUser, noEvent), 0, "answered web dropped; rejected web no_event_name 1; rejected web no_user 2"},
		{noEvent, 0, "answered web dropped; rejected web no_event_name 1"},
	} {
		r := newRig(t, segment.Deps{}, ingest.Options{})
		w := r.post("/v1/batch", c.body)
		wellAnswered(t, w, "")
		if got := r.seen.take(); w.Code != 200 || len(r.lines()) != c.lines || got != c.told {
			t.Errorf("%d %s, %d lines, told %s", w.Code, w.Body, len(r.lines()), got)
		}
	}
}

func TestBackPressureIs429(t *testing.T) {
	full := func(r *rig) { r.log.MaxPacked = 1 }
	for _, c := range []struct {
		name  string
		opts  ingest.Options
		set   func(*rig)
		head  []string
		after string
		told  string
	}{
		{name: "the log is full", set: full, after: "5", told: "answered web busy; refused web busy"},
		{name: "the stream is full", set: func(r *rig) {
			r.post("/v1/batch", batch)
			r.seen.take()
			r.src.stream.Retention.MaxBytes = 1
		}, after: "5", told: "answered web busy; refused web busy"},
		{name: "the stream is full, key in the body", set: func(r *rig) {
			r.post("/v1/batch", batch)
			r.seen.take()
			r.src.stream.Retention.MaxBytes = 1
		}, head: []string{"Authorization", ""}, after: "5", told: "answered web busy; refused web busy"},
		{name: "its hour is over, each time", set: func(r *rig) {
			r.log.Before = func(e eventlog.Entry) error { return &eventlog.LateError{At: e.Received.Add(time.Hour)} }
		}, after: "1", told: "answered web busy; refused web busy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, c.opts)
			c.set(r)
			before := r.stored()
			w := r.post("/v1/batch", `{"writeKey":"right","batch":[`+one+`]}`, append([]string{"Origin", "https://shop.example"}, c.head...)...)
			wellAnswered(t, w, "https://shop.example")
			if w.Code != 429 || codeOf(w) != "busy" || w.Header().Get("Retry-After") != c.after || r.stored() != before {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
			if got := r.seen.take(); got != c.told {
				t.Errorf("told %s, want %s", got, c.told)
			}
		})
	}
}

// While one request holds all the memory there is for requests, others are told
// to come back, before and after their body is read.
func TestNoMemoryIs429(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{MaxInFlightBytes: 1000, InFlightWait: time.Millisecond})
	inside, out := make(chan struct{}), make(chan struct{})
	r.log.Before = func(eventlog.Entry) error {
		close(inside)
		<-out
		return nil
	}
	first := make(chan int)
	go func() { first <- r.post("/v1/batch", strings.Repeat(" ", 1000)+batch).Code }()
	<-inside
	w := r.post("/v1/batch", batch)
	wellAnswered(t, w, "")
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	isPixel(t, r.send("GET", "/v1/pixel/track?writeKey=right&userId=u&event=e", ""))
	close(out)
	if code := <-first; code != 200 {
		t.Errorf("first %d", code)
	}
	r.log.Before = nil
	if w := r.post("/v1/batch", batch); w.Code != 200 {
		t.Errorf("afterwards %d %s", w.Code, w.Body)
	}
}

func TestFaultsOfOursAre503(t *testing.T) {
	for name, set := range map[string]func(*rig){
		"the catalog is away": func(r *rig) { r.src.err = errors.New("secret path") },
		"the log is away":     func(r *rig) { r.log.Before = func(eventlog.Entry) error { return errors.New("secret path") } },
		"the answer is lost":  func(r *rig) { r.log.After = func(eventlog.Entry) error { return errors.New("secret path") } },
		"the server stops":    func(r *rig) { _ = r.log.Close() },
	} {
		r := newRig(t, segment.Deps{}, ingest.Options{})
		set(r)
		w := r.post("/v1/batch", batch)
		wellAnswered(t, w, "")
		if w.Code != 503 || codeOf(w) != "unavailable" || strings.Contains(w.Body.String(), "secret path") || !strings.Contains(r.said.String(), "level=ERROR") {
			t.Errorf("%s: %d %s; said %s", name, w.Code, w.Body, r.said)
		}
		if got := r.seen.take(); !strings.Contains(got, "unavailable; refused ") {
			t.Errorf("%s: told %s", name, got)
		}
	}
}

func TestStreamThatIsGoneIsAnUnknownKey(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	r.log.Before = func(eventlog.Entry) error { return problem.New(problem.NotFound, "%w", eventlog.ErrNoStream) }
	if w := r.post("/v1/batch", batch); w.Code != 401 || codeOf(w) != "unknown_write_key" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
