package control_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

const oneFlag = `[{"name":"checkout","trafficTypeName":"user"}]`

func TestASplitSourceMakesItsStreams(t *testing.T) {
	w := controltest.New(t)
	got := mustSource(t, w, control.NewSource{Name: "prod", Kind: "split", WriteKey: "sdk-key-1", Split: &control.SplitChange{
		Environment: "env-1", Counts: ptr("counts"), TrafficTypes: map[string]string{"user": "tt"}, Flags: map[string]string{"old": "user"}, Served: []byte(oneFlag),
	}})
	if got.Stream != "prod" || got.Split.Events != "prod-events" || got.Split.Counts != "counts" || !slices.Equal(got.Made, []string{"prod", "prod-events", "counts"}) || !got.MadeStream || got.WriteKey != "sdk-key-1" {
		t.Errorf("got %+v %+v", got, got.Split)
	}
	for _, name := range got.Made {
		if s, _, err := w.Stream(t.Context(), name); err != nil || s.StrmMeta {
			t.Errorf("stream %+v, %v", s, err)
		}
	}
	if tt, ok := got.Split.TrafficType([]byte("checkout")); tt != "user" || !ok {
		t.Errorf("learned %q", tt)
	}
	src, streams, err := w.WriteKeys().SplitSource(t.Context(), control.KeyHash("sdk-key-1"))
	if err != nil || !reflect.DeepEqual(src, got.Source) || streams.Impressions.Name != "prod" || streams.Events.Name != "prod-events" || streams.Counts.Name != "counts" {
		t.Errorf("the key leads to %+v, %+v, %v", src, streams, err)
	}
	_, _, err = w.WriteKeys().SplitSource(t.Context(), control.KeyHash("nobody"))
	wantKind(t, err, problem.NotFound, "unknown write key")

	// Sources share streams: the environment is in the rows.
	second := mustSource(t, w, control.NewSource{Name: "stage", Kind: "split", Stream: "prod", Split: &control.SplitChange{Environment: "env-2", Events: "prod-events"}})
	if second.Made != nil || second.MadeStream || !strings.HasPrefix(second.WriteKey, control.KeyPrefix) || second.Split.Counts != "" || second.Split.EventsID != got.Split.EventsID {
		t.Errorf("got %+v %+v", second, second.Split)
	}
	if _, streams, err := w.WriteKeys().SplitSource(t.Context(), control.KeyHash(second.WriteKey)); err != nil || streams.Counts.ID != "" {
		t.Errorf("%+v, %v", streams, err)
	}
}

func TestSplitSourcesThatAreRefused(t *testing.T) {
	w := controltest.New(t)
	mustSource(t, w, control.NewSource{Name: "web", Kind: "segment"})
	mustSource(t, w, control.NewSource{Name: "prod", Kind: "split", Split: &control.SplitChange{Environment: "env-1"}})
	env := func(change func(*control.SplitChange)) *control.SplitChange {
		ch := &control.SplitChange{Environment: "env-2"}
		change(ch)
		return ch
	}
	for _, tt := range []struct {
		name string
		n    control.NewSource
		kind problem.Kind
		text string
	}{
		{"no environment", control.NewSource{Split: &control.SplitChange{}}, problem.Invalid, "environment"},
		{"nothing of it", control.NewSource{}, problem.Invalid, "environment"},
		{"environment with a newline", control.NewSource{Split: &control.SplitChange{Environment: "a\nb"}}, problem.Invalid, "environment"},
		{"source id", control.NewSource{ID: "abc", Split: env(func(*control.SplitChange) {})}, problem.Invalid, "environment id"},
		{"dedup window", control.NewSource{Dedup: ptr(time.Hour), Split: env(func(*control.SplitChange) {})}, problem.Invalid, "dedup window"},
		{"one stream for both", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Events = "x" })}, problem.Invalid, "stream of its own"},
		{"one stream for events and counts", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Counts = ptr("x-events") })}, problem.Invalid, "stream of its own"},
		{"segment's stream", control.NewSource{Stream: "web", Split: env(func(*control.SplitChange) {})}, problem.Conflict, "to itself"},
		{"segment's stream for events", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Events = "web" })}, problem.Conflict, "to itself"},
		{"segment's stream for counts", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Counts = ptr("web") })}, problem.Conflict, "to itself"},
		{"a long traffic type", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.TrafficTypes = map[string]string{"a": strings.Repeat("a", 256)} })}, problem.Invalid, "traffic type"},
		{"a flag without a name", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Flags = map[string]string{"": "user"} })}, problem.Invalid, "flag"},
		{"flags that are none", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Served = []byte(`{"a":1}`) })}, problem.Invalid, "splitChanges"},
		{"too many flags", control.NewSource{Split: env(func(ch *control.SplitChange) { ch.Served = make([]byte, control.MaxFlagsFile+1) })}, problem.TooLarge, "served"},
		{"name", control.NewSource{Name: "prod", Split: env(func(*control.SplitChange) {})}, problem.Conflict, "already exists"},
		{"short key", control.NewSource{WriteKey: "abcd", Split: env(func(*control.SplitChange) {})}, problem.Invalid, "8 to 255"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.n.Kind = "split"
			if tt.n.Name == "" {
				tt.n.Name = "x"
			}
			_, err := w.CreateSource(t.Context(), tt.n)
			wantKind(t, err, tt.kind, tt.text)
			for _, name := range []string{"x", "x-events"} {
				if _, _, err := w.Stream(t.Context(), name); problem.KindOf(err) != problem.NotFound {
					t.Errorf("stream %s was made in vain: %v", name, err)
				}
			}
		})
	}
	_, err := w.CreateSource(t.Context(), control.NewSource{Name: "x", Stream: "prod", Split: env(func(*control.SplitChange) {})})
	wantKind(t, err, problem.Invalid, "kind split")
	// Nor may a segment source have a stream that takes a split source's events.
	_, err = w.CreateSource(t.Context(), control.NewSource{Name: "x", Kind: "segment", Stream: "prod-events"})
	wantKind(t, err, problem.Conflict, "to itself")
}

func TestUpdateSplitSource(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "plain", 1)
	mustStream(t, w, "counts", 1)
	made := mustSource(t, w, control.NewSource{Name: "prod", Kind: "split", Split: &control.SplitChange{
		Environment: "env-1", TrafficTypes: map[string]string{"user": "tt", "account": "ta"}, Flags: map[string]string{"a": "user", "b": "user"},
	}})
	update := func(ch control.SplitChange) (*stream.Split, error) {
		t.Helper()
		src, _, err := w.UpdateSource(t.Context(), "prod", control.SourceChange{Split: &ch})
		if err != nil {
			return nil, err
		}
		stored, _, err := w.WriteKeys().SplitSource(t.Context(), made.KeyHash)
		if err != nil || !reflect.DeepEqual(stored, src) {
			t.Errorf("%+v %+v, %v", stored, stored.Split, err)
		}
		return stored.Split, nil
	}
	p, err := update(control.SplitChange{Flags: map[string]string{"a": "", "b": "account", "c": "user"}, TrafficTypes: map[string]string{"device": "td"}})
	if err != nil || !reflect.DeepEqual(p.Flags, map[string]string{"b": "account", "c": "user"}) || len(p.TrafficTypes) != 3 || p.Environment != "env-1" {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = update(control.SplitChange{Replace: true, Flags: map[string]string{"d": "user"}})
	if err != nil || !reflect.DeepEqual(p.Flags, map[string]string{"d": "user"}) || len(p.TrafficTypes) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = update(control.SplitChange{Environment: "env-9", Events: "plain", Counts: ptr("counts"), Served: []byte(oneFlag)})
	if err != nil || p.Environment != "env-9" || p.Events != "plain" || p.Counts != "counts" || p.Served.Version == 0 || p.Served.Types["checkout"] != "user" {
		t.Errorf("%+v, %v", p, err)
	}
	version := p.Served.Version
	p, err = update(control.SplitChange{Counts: ptr(""), Served: []byte(oneFlag)})
	if err != nil || p.Counts != "" || p.CountsID != "" || p.Served.Version != version {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = update(control.SplitChange{Served: []byte("[]")})
	if err != nil || p.Served.Version <= version || len(p.Served.Flags) != 0 || !slices.Equal(p.Served.Gone, []string{"checkout"}) {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = update(control.SplitChange{Events: "nope"})
	wantKind(t, err, problem.NotFound, "nope")
	_, err = update(control.SplitChange{Events: "prod"})
	wantKind(t, err, problem.Invalid, "stream of its own")
	_, _, err = w.UpdateSource(t.Context(), "prod", control.SourceChange{Dedup: ptr(time.Hour)})
	wantKind(t, err, problem.Invalid, "dedup window")
	mustSource(t, w, control.NewSource{Name: "events", Stream: "plain"})
	_, _, err = w.UpdateSource(t.Context(), "events", control.SourceChange{Split: &control.SplitChange{Environment: "e"}})
	wantKind(t, err, problem.Invalid, "kind split")
	if _, key, err := w.UpdateSource(t.Context(), "prod", control.SourceChange{WriteKey: "another-key"}); err != nil || key != "another-key" {
		t.Errorf("%q, %v", key, err)
	}
	if src, err := w.Source(t.Context(), "prod"); err != nil || src.Split.Events != "plain" {
		t.Errorf("%+v, %v", src.Split, err)
	}
}

// A stream that takes a source's events is not deleted under it; its counts may be.
func TestDeletingStreamsOfASplitSource(t *testing.T) {
	w := controltest.New(t)
	made := mustSource(t, w, control.NewSource{Name: "prod", Kind: "split", Split: &control.SplitChange{Environment: "env-1", Counts: ptr("counts")}})
	_, err := w.DeleteStream(t.Context(), "prod-events", false)
	wantKind(t, err, problem.Conflict, "--events-stream")
	if _, err := w.DeleteStream(t.Context(), "counts", false); err != nil {
		t.Fatal(err)
	}
	if _, streams, err := w.WriteKeys().SplitSource(t.Context(), made.KeyHash); err != nil || streams.Counts.ID != "" || streams.Events.ID == "" {
		t.Errorf("%+v, %v", streams, err)
	}
	if _, err := w.DeleteStream(t.Context(), "prod-events", true); err != nil {
		t.Fatal(err)
	}
	_, _, err = w.WriteKeys().SplitSource(t.Context(), made.KeyHash)
	wantKind(t, err, problem.NotFound, "")
}

// Stopped between streams and source, doing it again leads to one source.
func TestCreateSplitSourceFaults(t *testing.T) {
	w := controltest.New(t)
	n := control.NewSource{Name: "prod", Kind: "split", Split: &control.SplitChange{Environment: "env-1"}}
	w.Faults.LoseRequest("CreateSource")
	_, err := w.CreateSource(t.Context(), n)
	wantInjected(t, err)
	w.Faults.Clear()
	if got := mustSource(t, w, n); got.Made != nil || got.Split.EventsID == "" {
		t.Errorf("got %+v", got)
	}
}
