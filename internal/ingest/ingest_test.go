package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/eventlog"
	"strm/internal/ingest"
	"strm/internal/ingest/ingesttest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func newLog(t testing.TB, partitions int) *ingesttest.Log {
	t.Helper()
	l := &ingesttest.Log{}
	if err := l.Create(t.Context(), "s1", partitions); err != nil {
		t.Fatal(err)
	}
	return l
}

func one(body string) ingest.Request {
	return ingest.Request{Stream: stream.Stream{ID: "s1", Name: "demo", Partitions: 1}, Body: []byte(body)}
}

func text(t testing.TB, l *ingesttest.Log) string {
	t.Helper()
	s, err := l.Text("s1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const bom = "\xef\xbb\xbf"

func TestAccepted(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 511) + `{}` + strings.Repeat("}", 511)
	for _, c := range []struct {
		name, body, want string
		form             ingest.Form
	}{
		{name: "one", body: `{"a":1}`, want: `{"a":1}` + "\n"},
		{name: "one line", body: `{"a":1}` + "\n", want: `{"a":1}` + "\n"},
		{name: "lines", body: "{\"a\":1}\n{\"b\":2}\n", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "last line not ended", body: "{\"a\":1}\n{\"b\":2}", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "crlf", body: "{\"a\":1}\r\n{\"b\":2}\r\n", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "blank lines", body: "\n\n{\"a\":1}\n\n \t\n{\"b\":2}\n\n\n", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "indented lines", body: "  {\"a\":1}  \n\t{\"b\":2}\t", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "space within is kept", body: "{ \"a\" : [1, 2] }\n", want: "{ \"a\" : [1, 2] }\n"},
		{name: "pretty", body: "{\n  \"a\": {\n\t\"b c\": \" x \\n\"\r\n  }\n}\n", want: `{"a":{"b c":" x \n"}}` + "\n"},
		{name: "pretty twice", body: "{\n\"a\":1\n}\n{\n\"b\":2\n}", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "plain, pretty, plain", body: "{\"a\": 1}\n{\n\"b\": 2}\n{\"c\": 3}\n{\"d\": 4}\n", want: "{\"a\": 1}\n{\"b\":2}\n{\"c\": 3}\n{\"d\": 4}\n"},
		{name: "carriage returns within", body: "{\"a\":\r1}", want: `{"a":1}` + "\n"},
		{name: "concatenated", body: `{"a":1}{"b":2} {"c":3}`, want: "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"},
		{name: "bom", body: bom + "{\"a\":1}\n", want: "{\"a\":1}\n"},
		{name: "bom, array", body: bom + "[{\"a\":1}]", want: "{\"a\":1}\n"},
		{name: "array", body: ` [ {"a":1} , {"b": [2] },` + "\n" + `{"c":3}] ` + "\n", want: "{\"a\":1}\n{\"b\": [2] }\n{\"c\":3}\n"},
		{name: "pretty array", body: "[\n  {\n    \"a\": 1\n  },\n  {\n    \"b\": 2\n  }\n]\n", want: "{\"a\":1}\n{\"b\":2}\n"},
		{name: "array as such", body: `[{}]`, form: ingest.FormArray, want: "{}\n"},
		{name: "one as such", body: " {}\n\n", form: ingest.FormOne, want: "{}\n"},
		{name: "unicode", body: `{"a":"é日本😀 ` + "\u2028" + `"}`, want: `{"a":"é日本😀 ` + "\u2028" + `"}` + "\n"},
		{name: "large number", body: `{"a":123456789012345678901234567890.5e-7}`, want: `{"a":123456789012345678901234567890.5e-7}` + "\n"},
		{name: "equal keys", body: `{"a":1,"a":2}`, want: `{"a":1,"a":2}` + "\n"},
		{name: "strmMeta is nobody's business", body: `{"strmMeta":5,"a":1}`, want: `{"strmMeta":5,"a":1}` + "\n"},
		{name: "512 levels", body: deep, want: deep + "\n"},
		{name: "many brackets side by side", body: `{"a":[` + strings.Repeat("[],", 10_000) + `{}]}`, want: `{"a":[` + strings.Repeat("[],", 10_000) + `{}]}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(t, 1)
			g := ingest.New(l, ingest.Options{})
			req := one(c.body)
			req.Form = c.form
			res, err := g.Ingest(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if got := text(t, l); got != c.want {
				t.Fatalf("stored %q, want %q", got, c.want)
			}
			if n := strings.Count(c.want, "\n"); res.Accepted != n || res.Range != (stream.Range{End: stream.Offset(n)}) || res.Duplicate {
				t.Errorf("%+v, want %d accepted", res, n)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 512) + `{}` + strings.Repeat("}", 512)
	for _, c := range []struct {
		name, body string
		form       ingest.Form
		line       int
		element    bool
		kind       problem.Kind
		reason     string // is contained
	}{
		{name: "empty", kind: problem.Invalid, reason: "no events"},
		{name: "blank", body: " \n\r\n\t", kind: problem.Invalid, reason: "no events"},
		{name: "bom only", body: bom, kind: problem.Invalid, reason: "no events"},
		{name: "empty array", body: "[ ]", kind: problem.Invalid, reason: "no events"},
		{name: "text after empty array", body: "[] x", line: 1, element: true, kind: problem.Invalid, reason: "after the array"},
		{name: "second line cut", body: "{\"a\":1}\n{\"a\":\n", line: 2, kind: problem.Invalid, reason: "in the middle of the event"},
		{name: "second line cut, third whole", body: "{\"a\":1}\n{\"a\":2\n{\"a\":3}\n", line: 2, kind: problem.Invalid, reason: "not closed at the end of its line (byte 7)"},
		{name: "blank lines count", body: "\n\n{\"a\":1}\r\n\n{\"a\" 1}", line: 5, kind: problem.Invalid, reason: "invalid character '1' at byte 6 of the event: expected ':'"},
		{name: "lines of pretty events count", body: "{\n\"a\":\n1}\n{x}", line: 4, kind: problem.Invalid, reason: "invalid character 'x' at byte 2 of the event: expected a key"},
		{name: "array in lines", body: "{}\n[]", line: 2, kind: problem.Invalid, reason: "this is an array"},
		{name: "array, lines wanted", body: "[{}]", form: ingest.FormNDJSON, line: 1, kind: problem.Invalid, reason: "this is an array"},
		{name: "object, array wanted", body: "{}", form: ingest.FormArray, line: 1, element: true, kind: problem.Invalid, reason: "not a JSON array"},
		{name: "two, one wanted", body: "{}\n{}", form: ingest.FormOne, line: 2, kind: problem.Invalid, reason: "second event"},
		{name: "null", body: "null", line: 1, kind: problem.Invalid, reason: "this is null"},
		{name: "number", body: "{}\n-5", line: 2, kind: problem.Invalid, reason: "this is a number"},
		{name: "string", body: `"x"`, line: 1, kind: problem.Invalid, reason: "this is a string"},
		{name: "boolean", body: `true`, line: 1, kind: problem.Invalid, reason: "this is a boolean"},
		{name: "csv", body: "a,b\n1,2", line: 1, kind: problem.Invalid, reason: "invalid character 'a': expected an event"},
		{name: "comma between lines", body: "{},\n{}", line: 1, kind: problem.Invalid, reason: "invalid character ','"},
		{name: "bom in the middle", body: "{}\n" + bom + "{}", line: 2, kind: problem.Invalid, reason: "'\\ufeff'"},
		{name: "bare word", body: `{"a":nul}`, line: 1, kind: problem.Invalid, reason: "expected null"},
		{name: "control character", body: "{\"a\":\"x\ty\"}", line: 1, kind: problem.Invalid, reason: "control characters"},
		{name: "escape", body: `{"a":"\q"}`, line: 1, kind: problem.Invalid, reason: "after a backslash"},
		{name: "invalid utf-8", body: "{}\n{\"a\":\"x\xff\"}", line: 2, kind: problem.Invalid, reason: "invalid UTF-8 at byte 8 of the event (0xff)"},
		{name: "utf-8 surrogate", body: "{\"a\":\"\xed\xa0\x80\"}", line: 1, kind: problem.Invalid, reason: "invalid UTF-8 at byte 7"},
		{name: "513 levels", body: deep, line: 1, kind: problem.Invalid, reason: "nested too deep"},
		{name: "ten thousand brackets", body: `{"a":` + strings.Repeat("[", 10_000), line: 1, kind: problem.Invalid, reason: "nested too deep at byte 517"},
		{name: "brackets alone", body: strings.Repeat("[", 10_000), line: 1, element: true, kind: problem.Invalid, reason: "this is an array"},
		{name: "too large", body: "{}\n{\"a\":\"" + strings.Repeat("x", 100) + "\"}", line: 2, kind: problem.TooLarge, reason: "108 bytes, more than the limit of 100"},
		{name: "array not closed", body: `[{}`, line: 1, element: true, kind: problem.Invalid, reason: "not closed"},
		{name: "array not closed after comma", body: `[{},`, line: 2, element: true, kind: problem.Invalid, reason: "not closed"},
		{name: "array with trailing comma", body: `[{},]`, line: 2, element: true, kind: problem.Invalid, reason: "invalid character ']'"},
		{name: "array without comma", body: `[{} {}]`, line: 1, element: true, kind: problem.Invalid, reason: "expected ',' or ']'"},
		{name: "element", body: "[{},\n{},\n{\"a\":01}]", line: 3, element: true, kind: problem.Invalid, reason: "invalid character '1' at byte 7 of the event"},
		{name: "array in array", body: `[{},[{}]]`, line: 2, element: true, kind: problem.Invalid, reason: "this is an array"},
		{name: "text after array", body: `[{}] {}`, line: 1, element: true, kind: problem.Invalid, reason: "after the array"},
	} {
		for _, meta := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/meta=%v", c.name, meta), func(t *testing.T) {
				l := newLog(t, 1)
				g := ingest.New(l, ingest.Options{MaxEventBytes: 100})
				if strings.HasPrefix(c.reason, "nested") {
					g = ingest.New(l, ingest.Options{})
				}
				req := one(c.body)
				req.Form, req.Stream.StrmMeta = c.form, meta
				_, err := g.Ingest(t.Context(), req)
				if err == nil || problem.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.reason) {
					t.Fatalf("%v (kind %v), want kind %v and %q", err, problem.KindOf(err), c.kind, c.reason)
				}
				var ev *ingest.EventError
				if errors.As(err, &ev) != (c.line > 0) || ev != nil && (ev.Line != c.line || ev.Element != c.element) {
					t.Fatalf("%#v, want line %d, element %v", err, c.line, c.element)
				}
				if got := text(t, l); got != "" {
					t.Fatalf("stored %q of a refused request", got)
				}
			})
		}
	}
}

func TestPrettyIsMeasuredCompact(t *testing.T) {
	l := newLog(t, 1)
	g := ingest.New(l, ingest.Options{MaxEventBytes: 10})
	if _, err := g.Ingest(t.Context(), one("{\n"+strings.Repeat(" ", 100)+"\"a\":12}")); err != nil {
		t.Fatal(err)
	}
	_, err := g.Ingest(t.Context(), one("{\n\"a\":\n1234567}"))
	if problem.KindOf(err) != problem.TooLarge || !strings.Contains(err.Error(), "13 bytes") {
		t.Fatal(err)
	}
}

// FuzzIngestBody: what is accepted is stored as N JSON lines that say what
// encoding/json reads in the body.
func FuzzIngestBody(f *testing.F) {
	for _, s := range []string{
		"", "{}", "[]", "[{}]", "{}\n{}\n", "{\"a\":1}\r\n\r\n{\"b\":[1,2]}", "{\n\"a\":\n{}\n}\n{}", `{}{}`, "[{\n\"a\":1},\n{\"b\":2}]",
		bom + "{}", "{}\n[", `{"strmMeta":{"consentLevels":[1]},"a":"é"}`, `{"a":"\u00e9\"\\"}`, "{}\n{\"a\"", "{\"\xff\":1}", `{"strmMeta":{},"strmMeta":{}}`,
	} {
		f.Add([]byte(s), byte(0), false)
		f.Add([]byte(s), byte(1), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, form byte, meta bool) {
		l := newLog(t, 1)
		g := ingest.New(l, ingest.Options{MaxEventBytes: 1 << 16})
		want, sent := wanted(body)
		req := one("")
		req.Body, req.Form, req.Stream.StrmMeta = slices.Clone(body), ingest.Form(form%4), meta
		res, err := g.Ingest(t.Context(), req)
		got := text(t, l)
		if err != nil {
			if got != "" {
				t.Fatalf("stored %q of a refused request", got)
			}
			if k := problem.KindOf(err); k != problem.Invalid && k != problem.TooLarge {
				t.Fatalf("kind %v: %v", k, err)
			}
			return
		}
		if !sent {
			t.Fatalf("accepted what encoding/json cannot read: %q", body)
		}
		lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
		if len(lines) != res.Accepted || len(lines) != len(want) {
			t.Fatalf("%d lines, %d accepted, %d in the body", len(lines), res.Accepted, len(want))
		}
		for i, line := range lines {
			var have map[string]any
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&have); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if meta {
				if _, ok := have["strmMeta"].(map[string]any); !ok {
					t.Fatalf("line %q has no strmMeta", line)
				}
				delete(have, "strmMeta")
				delete(want[i], "strmMeta")
			}
			if !reflect.DeepEqual(have, want[i]) {
				t.Fatalf("line %q is %v, want %v", line, have, want[i])
			}
		}
	})
}

// wanted reads a body with encoding/json: objects, or one array of them.
func wanted(body []byte) ([]map[string]any, bool) {
	body = bytes.TrimPrefix(body, []byte(bom))
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var out []map[string]any
	if t := bytes.TrimLeft(body, " \t\r\n"); len(t) > 0 && t[0] == '[' {
		err := d.Decode(&out)
		return out, err == nil && !d.More()
	}
	for d.More() {
		var m map[string]any
		if d.Decode(&m) != nil || m == nil {
			return nil, false
		}
		out = append(out, m)
	}
	return out, true
}

func TestIdempotency(t *testing.T) {
	l := newLog(t, 4)
	g := ingest.New(l, ingest.Options{})
	req := func(body, key string) ingest.Request {
		r := one(body)
		r.Stream.Partitions, r.Stream.StrmMeta, r.IdempotencyKey = 4, true, key
		return r
	}
	first, err := g.Ingest(t.Context(), req("{}\n{}", "k"))
	if err != nil || first.Duplicate || first.Accepted != 2 {
		t.Fatal(first, err)
	}
	// Other partitions are next in turn, and nonce and time differ: still the same request.
	for range 5 {
		again, err := g.Ingest(t.Context(), req("{}\n{}", "k"))
		if err != nil || !again.Duplicate || again.Accepted != 2 || again.Range != first.Range {
			t.Fatal(again, err)
		}
	}
	_, err = g.Ingest(t.Context(), req("{}\n{} ", "k"))
	if !errors.Is(err, eventlog.ErrKeyReused) || problem.KindOf(err) != problem.Conflict {
		t.Fatal(err)
	}
	if _, err := g.Ingest(t.Context(), req("{}", strings.Repeat("k", 256))); problem.KindOf(err) != problem.Invalid {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	fresh := make(chan bool, 20)
	for range 20 {
		wg.Go(func() {
			r, err := g.Ingest(t.Context(), req("{\"c\":1}", "concurrent"))
			if err != nil || r.Accepted != 1 {
				t.Error(r, err)
			}
			fresh <- !r.Duplicate
		})
	}
	wg.Wait()
	close(fresh)
	n := 0
	for f := range fresh {
		if f {
			n++
		}
	}
	if got := strings.Count(text(t, l), "\n"); n != 1 || got != 3 {
		t.Fatalf("%d first appends, %d events stored", n, got)
	}
}

// The fault table of the append: the request or its answer is lost, then the
// client sends again with the same key.
func TestAppendFaults(t *testing.T) {
	fault := errors.New("disk error")
	for _, after := range []bool{false, true} {
		l := newLog(t, 1)
		broken := true
		fail := func(eventlog.Entry) error {
			if broken {
				broken = false
				return fault
			}
			return nil
		}
		if after {
			l.After = fail
		} else {
			l.Before = fail
		}
		g := ingest.New(l, ingest.Options{})
		req := one("{}\n{}\n")
		req.IdempotencyKey = "k"
		_, err := g.Ingest(t.Context(), req)
		if !errors.Is(err, ingest.ErrUnsettled) || !errors.Is(err, fault) || problem.KindOf(err) != problem.Unavailable {
			t.Fatal(err)
		}
		res, err := g.Ingest(t.Context(), req)
		if err != nil || res.Accepted != 2 || res.Duplicate != after {
			t.Fatal(res, err)
		}
		if got := text(t, l); got != "{}\n{}\n" {
			t.Fatalf("stored %q", got)
		}
	}
}

func TestLogErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind problem.Kind
	}{
		{eventlog.ErrFull, problem.Busy},
		{eventlog.ErrNoStream, problem.NotFound},
		{eventlog.ErrClosed, problem.Unavailable},
	} {
		l := newLog(t, 1)
		l.Before = func(eventlog.Entry) error { return fmt.Errorf("log: %w", c.err) }
		_, err := ingest.New(l, ingest.Options{}).Ingest(t.Context(), one("{}"))
		if problem.KindOf(err) != c.kind || !errors.Is(err, c.err) || errors.Is(err, ingest.ErrUnsettled) {
			t.Errorf("%v: %v, kind %v", c.err, err, problem.KindOf(err))
		}
	}
}

func TestPartitions(t *testing.T) {
	l := newLog(t, 3)
	g := ingest.New(l, ingest.Options{})
	put := func(key string) stream.Partition {
		r := one("{}")
		r.Stream.Partitions, r.PartitionKey = 3, key
		res, err := g.Ingest(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return res.Range.Partition
	}
	for i := range 7 {
		if got := put(""); int(got) != i%3 {
			t.Errorf("request %d went to partition %d", i, got)
		}
	}
	seen := map[stream.Partition]bool{}
	for i := range 30 {
		key := fmt.Sprint("customer-", i)
		p := put(key)
		seen[p] = true
		if put(key) != p {
			t.Errorf("key %q went to two partitions", key)
		}
	}
	if len(seen) != 3 {
		t.Errorf("30 keys used partitions %v", seen)
	}
}

func TestStreamFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, 1)
		g := ingest.New(l, ingest.Options{})
		req := one("{}")
		req.Stream.Retention.MaxBytes = 20
		if _, err := g.Ingest(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond) // the clock of the bubble
		_, err := g.Ingest(t.Context(), req)
		if !errors.Is(err, ingest.ErrStreamFull) || problem.KindOf(err) != problem.Busy || !strings.Contains(err.Error(), `stream "demo"`) {
			t.Fatal(err)
		}
		calls := l.BoundsCalls()
		for range 100 {
			if _, err := g.Ingest(t.Context(), req); !errors.Is(err, ingest.ErrStreamFull) {
				t.Fatal(err)
			}
		}
		if got := l.BoundsCalls(); got != calls {
			t.Errorf("%d lookups within the interval", got-calls)
		}
		if err := l.Trim(t.Context(), "s1", 0, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond)
		if _, err := g.Ingest(t.Context(), req); err != nil {
			t.Fatalf("room again, but %v", err)
		}
	})
}

func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, 1)
		g := ingest.New(l, ingest.Options{MaxInFlightBytes: 1000, InFlightWait: 2 * time.Second})
		s := one("{}").Stream
		held, err := g.Admit(t.Context(), &s, 999)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err = g.Ingest(t.Context(), one("{}"))
		if !errors.Is(err, ingest.ErrInFlight) || problem.KindOf(err) != problem.Busy {
			t.Fatal(err)
		}
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("waited %v", waited)
		}
		done := make(chan error)
		go func() {
			_, err := g.Ingest(t.Context(), one("{}"))
			done <- err
		}()
		synctest.Wait()
		held.Release()
		held.Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		// More than there is at all: alone, it may pass.
		big, err := g.Admit(t.Context(), &s, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if err := big.Grow(t.Context(), 5000); err != nil {
			t.Fatal(err)
		}
		big.Release()
		if _, err := g.Ingest(t.Context(), one("{}")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSwellingIsBounded(t *testing.T) {
	l := newLog(t, 1)
	g := ingest.New(l, ingest.Options{MaxEntryBytes: 1 << 20})
	req := one(strings.Repeat("{}\n", 20_000))
	req.Stream.StrmMeta = true
	_, err := g.Ingest(t.Context(), req)
	var ev *ingest.EventError
	if !errors.As(err, &ev) || problem.KindOf(err) != problem.TooLarge || !strings.Contains(ev.Reason, "fewer events") {
		t.Fatal(err)
	}
	// The output takes part in the bound of everything in work.
	g = ingest.New(l, ingest.Options{MaxInFlightBytes: 200_000, InFlightWait: time.Nanosecond})
	s := req.Stream
	other, err := g.Admit(t.Context(), &s, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = g.Ingest(t.Context(), req); !errors.Is(err, ingest.ErrInFlight) {
		t.Fatal(err)
	}
	other.Release()
	if _, err := g.Ingest(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

type counts struct {
	mu sync.Mutex
	s  []string
}

func (c *counts) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s = append(c.s, fmt.Sprintf(format, args...))
}
func (c *counts) Accepted(s string, n int, bytes int64) { c.add("accepted %s %d %d", s, n, bytes) }
func (c *counts) Duplicate(s string, n int)             { c.add("duplicate %s %d", s, n) }
func (c *counts) Refused(s string, k problem.Kind)      { c.add("refused %s %v", s, k) }

func TestObserver(t *testing.T) {
	c := &counts{}
	g := ingest.New(newLog(t, 1), ingest.Options{Observer: c})
	for _, body := range []string{"{}\n{}", "{}\n{}", "nope"} {
		r := one(body)
		r.IdempotencyKey = "k"
		if _, err := g.Ingest(t.Context(), r); (err != nil) != (body == "nope") {
			t.Fatal(err)
		}
	}
	if want := []string{"accepted demo 2 6", "duplicate demo 2", "refused demo invalid"}; !slices.Equal(c.s, want) {
		t.Errorf("%q", c.s)
	}
}

func TestBodyIsUsedAsItIs(t *testing.T) {
	l := newLog(t, 1)
	var data []byte
	l.Before = func(e eventlog.Entry) error { data = e.Data; return nil }
	g := ingest.New(l, ingest.Options{})
	for _, s := range []string{"{\"a\":1}\n{\"b\":2}\n", "{\"a\":1}\n{\"b\":2}", "\n {\"a\":1}\n{\"b\":2} \n\n"} {
		r := one("")
		r.Body = append(make([]byte, 0, 100), s...)
		if _, err := g.Ingest(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if at := strings.IndexByte(s, '{'); &data[0] != &r.Body[at] {
			t.Errorf("%q was copied", s)
		}
	}
}
