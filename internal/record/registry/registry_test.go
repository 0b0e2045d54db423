package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/problem"
)

// double answers as a schema registry does.
type double struct {
	*httptest.Server
	mu      sync.Mutex
	asked   map[string]int
	answers map[string]string // JSON by path; what is not there is unknown
	fail    int               // status of every answer, if not 0
	wait    chan struct{}     // each request waits for it, if there is one
	arrived chan string
}

func newDouble(t *testing.T) *double {
	d := &double{asked: map[string]int{}, answers: map[string]string{}, arrived: make(chan string, 100)}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	d.asked[r.URL.Path]++
	text, ok := d.answers[r.URL.Path]
	fail, wait := d.fail, d.wait
	d.mu.Unlock()
	d.arrived <- r.URL.RequestURI()
	if wait != nil {
		select {
		case <-wait:
		case <-r.Context().Done():
			return
		}
	}
	user, password, _ := r.BasicAuth()
	switch {
	case fail != 0:
		http.Error(w, "somewhere, something went wrong", fail)
	case user != "u" || password != "secret-word":
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error_code":401,"message":"Unauthorized"}`)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
	default:
		fmt.Fprint(w, text)
	}
}

func (d *double) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

func (d *double) count(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[path]
}

// has makes the double know a schema; references are "name subject version".
func (d *double) has(path, kind, schema string, references ...string) {
	type reference struct {
		Name    string `json:"name"`
		Subject string `json:"subject"`
		Version int    `json:"version"`
	}
	a := map[string]any{"schema": schema}
	if kind != "" {
		a["schemaType"] = kind
	}
	var refs []reference
	for _, text := range references {
		var r reference
		if _, err := fmt.Sscan(text, &r.Name, &r.Subject, &r.Version); err != nil {
			panic(err)
		}
		refs = append(refs, r)
	}
	if refs != nil {
		a["references"] = refs
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err)
	}
	d.set(func() { d.answers[path] = string(b) })
}

func (d *double) registry(t *testing.T, password string) *Registry {
	t.Helper()
	r, err := New(Options{URL: strings.Replace(d.URL, "http://", "http://u@", 1), Password: password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// framed puts the id of a schema before a payload.
func framed(id byte, payload ...byte) []byte { return append([]byte{0, 0, 0, 0, id}, payload...) }

func wantError(t *testing.T, err error, kind problem.Kind, text string) {
	t.Helper()
	if err == nil || problem.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v (%v), want %v with %q", err, problem.KindOf(err), kind, text)
	}
	if err != nil && strings.Contains(err.Error(), "secret-word") {
		t.Errorf("the password is in %v", err)
	}
}

func TestSchemasAreFetchedOnce(t *testing.T) {
	d := newDouble(t)
	d.has("/schemas/ids/7", "", one(`"int"`))
	d.has("/schemas/ids/8", "JSON", `{"type":"object"}`)
	r := d.registry(t, "secret-word")
	for range 3 {
		for in, want := range map[string]string{
			string(framed(7, 2)):                       `{"x":1}`,
			string(framed(7, 4)):                       `{"x":2}`,
			string(framed(8, []byte("{\"a\": 1}")...)): `{"a": 1}`,
		} {
			got, err := r.AppendLine(t.Context(), []byte("x"), []byte(in))
			if err != nil || string(got) != "x"+want+"\n" {
				t.Fatalf("%q, %v; want %q", got, err, want)
			}
		}
	}
	if d.count("/schemas/ids/7") != 1 || d.count("/schemas/ids/8") != 1 {
		t.Errorf("asked %v", d.asked)
	}
}

func TestReferencesAreResolved(t *testing.T) {
	d := newDouble(t)
	d.has("/schemas/ids/1", "AVRO", `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"by","type":"shop.User"},{"name":"to","type":"geo.Place"}]}`,
		"shop.User users 3", "geo.Place geo/places 1")
	d.has("/subjects/users/versions/3", "AVRO", `{"type":"record","name":"User","namespace":"shop","fields":[{"name":"home","type":"geo.Place"}]}`, "geo.Place geo/places 1")
	d.has("/subjects/geo/places/versions/1", "AVRO", `{"type":"enum","name":"Place","namespace":"geo","symbols":["HERE","THERE"]}`)
	r := d.registry(t, "secret-word")
	got, err := r.AppendLine(t.Context(), nil, framed(1, 0, 2))
	if want := `{"by":{"home":"HERE"},"to":"THERE"}` + "\n"; err != nil || string(got) != want {
		t.Fatalf("%q, %v; want %q", got, err, want)
	}
	if n := d.count("/subjects/geo/places/versions/1"); n != 1 {
		t.Errorf("the common reference was asked for %d times", n)
	}
	for len(d.arrived) > 0 {
		if uri := <-d.arrived; strings.HasPrefix(uri, "/subjects/geo") && !strings.Contains(uri, "geo%2Fplaces/versions/1?") {
			t.Errorf("asked %s", uri)
		} else if strings.HasPrefix(uri, "/subjects") && !strings.Contains(uri, "deleted=true") {
			t.Errorf("%s does not find what was deleted softly", uri)
		}
	}
	// One that refers to itself ends; what is missing is not the value's fault.
	d.has("/schemas/ids/2", "", one(`"Two"`), "Two two 1")
	d.has("/subjects/two/versions/1", "", `{"type":"record","name":"Two","fields":[{"name":"y","type":"Three"}]}`, "Two two 1")
	_, err = r.AppendLine(t.Context(), nil, framed(2, 0))
	wantError(t, err, problem.Corrupt, "two version 1, to which schema 2 refers: avro: unknown type: Three")
	d.has("/schemas/ids/3", "", one(`"Gone"`), "Gone gone 9")
	_, err = r.AppendLine(t.Context(), nil, framed(3, 0))
	wantError(t, err, problem.Unavailable, "knows no gone version 9, to which schema 3 refers")
}

func TestValuesThatCannotBeRead(t *testing.T) {
	d := newDouble(t)
	d.has("/schemas/ids/1", "", one(`"int"`))
	d.has("/schemas/ids/2", "JSON", `{}`)
	d.has("/schemas/ids/3", "PROTOBUF", `syntax = "proto3";`)
	d.has("/schemas/ids/4", "", `{"type":"record"}`)
	d.has("/schemas/ids/5", "", `"string"`)
	r := d.registry(t, "secret-word")
	for _, c := range []struct {
		in   []byte
		want string
	}{
		{nil, "tombstone"},
		{[]byte{}, "0 bytes are too few"},
		{[]byte{0, 0, 0, 1}, "4 bytes are too few"},
		{[]byte(`{"a":1}`), "--values json"},
		{[]byte{1, 0, 0, 0, 1, 2}, "begins with 0x01"},
		{framed(1), "schema 1: byte 0 of the Avro value: the value ends too early"},
		{framed(2, '['), "schema 2: an event must be a JSON object"},
		{framed(2), "schema 2: an empty value"},
		{framed(3, 0, 1), `schema 3 is of type "PROTOBUF"`},
		{framed(4, 0), "schema 4 cannot be read"},
		{framed(5, 2, 'x'), "no record"},
	} {
		for range 2 {
			got, err := r.AppendLine(t.Context(), []byte("x"), c.in)
			wantError(t, err, problem.Corrupt, c.want)
			if string(got) != "x" {
				t.Errorf("%q is left", got)
			}
		}
	}
	if d.count("/schemas/ids/3") != 1 || d.count("/schemas/ids/4") != 1 {
		t.Errorf("refused schemas are asked for again: %v", d.asked)
	}
}

func TestTroubleWithTheRegistry(t *testing.T) {
	d := newDouble(t)
	r := d.registry(t, "secret-word")
	_, err := r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "the schema registry knows no schema 9: Schema not found")
	d.set(func() { d.fail = 500 })
	_, err = r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "schema registry: schema 9: 500")
	d.set(func() { d.fail = 404 })
	_, err = r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "is the path of its address right?")
	d.set(func() { d.fail = 0; d.answers["/schemas/ids/9"] = "<html>" })
	_, err = r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "does not answer")
	d.set(func() { d.answers["/schemas/ids/9"] = `{}` })
	_, err = r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "holds no schema")
	d.set(func() { d.answers["/schemas/ids/9"] = `{"schema":"` + strings.Repeat("x", maxAnswer) + `"}` })
	_, err = r.AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "more than 4194304 bytes")

	// It is tried again, and goes on by itself.
	d.has("/schemas/ids/9", "", one(`"int"`))
	if got, err := r.AppendLine(t.Context(), nil, framed(9, 2)); err != nil || string(got) != "{\"x\":1}\n" {
		t.Errorf("%q, %v", got, err)
	}
	_, err = d.registry(t, "wrong").AppendLine(t.Context(), nil, framed(9, 2))
	wantError(t, err, problem.Unavailable, "refuses to show schema 9 (401): check the user")
	d.Close()
	if got, err := r.AppendLine(t.Context(), nil, framed(9, 2)); err != nil || string(got) != "{\"x\":1}\n" {
		t.Errorf("a known schema needs no registry: %q, %v", got, err)
	}
	_, err = r.AppendLine(t.Context(), nil, framed(8, 2))
	wantError(t, err, problem.Unavailable, "does not answer")
}

func TestSlowRegistry(t *testing.T) {
	d := newDouble(t)
	d.has("/schemas/ids/1", "", one(`"int"`))
	d.wait = make(chan struct{})
	r, err := New(Options{URL: strings.Replace(d.URL, "http://", "http://u@", 1), Password: "secret-word", Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.AppendLine(t.Context(), nil, framed(1, 2))
	wantError(t, err, problem.Unavailable, "does not answer")
	if errors.Is(err, context.DeadlineExceeded) {
		t.Error("a time limit of ours looks like the caller's")
	}
}

func TestFetchesAreShared(t *testing.T) {
	d := newDouble(t)
	d.has("/schemas/ids/1", "", one(`"int"`))
	d.wait = make(chan struct{})
	r := d.registry(t, "secret-word")
	first, giveUp := context.WithCancel(t.Context())
	results := make(chan error, 10)
	go func() {
		_, err := r.AppendLine(first, nil, framed(1, 2))
		results <- err
	}()
	<-d.arrived
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.AppendLine(gone, nil, framed(1, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits no longer: %v", err)
	}
	if n := d.count("/schemas/ids/1"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// Who fetches gives up: another asks in his stead, once for all who wait.
	giveUp()
	if err := <-results; !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	const others = 5
	for range others {
		go func() {
			got, err := r.AppendLine(t.Context(), nil, framed(1, 2))
			if err == nil && string(got) != "{\"x\":1}\n" {
				err = fmt.Errorf("%q", got)
			}
			results <- err
		}()
	}
	<-d.arrived
	close(d.wait)
	for range others {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if n := d.count("/schemas/ids/1"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for id := range uint32(3 * maxSchemas) {
		c.keep(&schema{id: id, size: 10})
	}
	if len(c.known) != maxSchemas || c.size != 10*maxSchemas {
		t.Errorf("%d schemas, %d bytes", len(c.known), c.size)
	}
	for id := range uint32(100) {
		c.keep(&schema{id: id + 1e6, size: maxAnswer})
		if c.known[id+1e6] == nil {
			t.Fatal("the newest is not kept")
		}
	}
	sum := 0
	for _, s := range c.known {
		sum += s.size
	}
	if sum != c.size || sum > maxTexts {
		t.Errorf("%d bytes are kept, %d counted", sum, c.size)
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"":                            "must be http",
		"registry:8081":               "must be http",
		"kafka://host":                "must be http",
		"https://":                    "must be http",
		"https://u:secret-word@host":  "leave the password out",
		"https://host?x=1":            "query",
		"https://u:secret-word@ho st": "no URL",
	} {
		_, err := New(Options{URL: address})
		wantError(t, err, problem.Invalid, want)
	}
	_, err := New(Options{URL: "https://host", Password: "secret-word"})
	wantError(t, err, problem.Invalid, "names no user")
	for _, address := range []string{"http://localhost:8081", "https://u@host/apis/ccompat/v7/"} {
		r, err := New(Options{URL: address})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		r.Close()
	}
}
