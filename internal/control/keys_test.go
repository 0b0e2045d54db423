package control_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"

	"strm/internal/control"
	"strm/internal/control/controltest"
	"strm/internal/problem"
	"strm/internal/stream"
)

func createSource(t testing.TB, c *control.Control, name, of, kind string) (stream.Source, string, error) {
	out, err := c.CreateSource(t.Context(), control.NewSource{Name: name, Stream: of, Kind: kind})
	return out.Source, out.WriteKey, err
}

func TestWriteKey(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	src, key, err := createSource(t, w.Control, "web", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^strm_[A-Za-z0-9_-]{43}$`).MatchString(key) {
		t.Errorf("write key %q", key)
	}
	if src.KeyHash != control.KeyHash(key) || src.KeyHash == key {
		t.Errorf("what is stored of %q is %q", key, src.KeyHash)
	}
	got, st, err := w.WriteKeys().Source(t.Context(), control.KeyHash(key))
	if err != nil || got.Name != "web" || st.Name != "demo" {
		t.Errorf("the key leads to %+v, %+v, %v", got, st, err)
	}
	_, _, err = w.WriteKeys().Source(t.Context(), control.KeyHash(key+"x"))
	wantKind(t, err, problem.NotFound, "unknown write key")
}

func TestCreateSourceRefuses(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	if _, _, err := createSource(t, w.Control, "taken", "demo", "events"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, source, stream, kind string
		want                       problem.Kind
		text                       string
	}{
		{"no name", "", "demo", "", problem.Invalid, "needs a name"},
		{"no stream", "a", "", "", problem.Invalid, "needs a stream"},
		{"unknown stream", "a", "nope", "", problem.NotFound, "nope"},
		{"unknown kind", "a", "demo", "fax", problem.Invalid, `"fax"`},
		{"taken", "taken", "demo", "", problem.Conflict, "taken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := createSource(t, w.Control, tt.source, tt.stream, tt.kind)
			wantKind(t, err, tt.want, tt.text)
		})
	}
}

// Every change is seen by the next lookup.
func TestWriteKeysFollowChanges(t *testing.T) {
	w := controltest.New(t)
	keys := w.WriteKeys()
	mustStream(t, w, "demo", 1)
	_, key, err := createSource(t, w.Control, "web", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	lookup := func() (stream.Stream, error) {
		_, st, err := keys.Source(t.Context(), control.KeyHash(key))
		return st, err
	}
	if _, err := lookup(); err != nil {
		t.Fatal(err)
	}
	no := false
	if _, err := w.UpdateStream(t.Context(), "demo", control.StreamChange{StrmMeta: &no}); err != nil {
		t.Fatal(err)
	}
	if st, err := lookup(); err != nil || st.StrmMeta {
		t.Errorf("after the update: %+v, %v", st, err)
	}
	w.Faults.LoseAnswer("DeleteSource")
	wantInjected(t, w.DeleteSource(t.Context(), "web"))
	_, err = lookup()
	wantKind(t, err, problem.NotFound, "unknown")
	w.Faults.Clear()

	if _, key, err = createSource(t, w.Control, "web", "demo", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := lookup(); err != nil {
		t.Errorf("after creating it anew: %v", err)
	}
	if _, err := w.DeleteStream(t.Context(), "demo", false); err != nil {
		t.Fatal(err)
	}
	_, err = lookup()
	wantKind(t, err, problem.NotFound, "unknown")
}

// A flood of unknown keys never reaches the catalog.
func TestWriteKeysFlood(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	keys := w.WriteKeys()
	w.Faults.Clear()
	for i := range 10_000 {
		if _, _, err := keys.Source(t.Context(), control.KeyHash(fmt.Sprint(i))); problem.KindOf(err) != problem.NotFound {
			t.Fatal(err)
		}
	}
	if n := len(slices.DeleteFunc(w.Faults.Calls, func(c string) bool { return c != "Sources" })); n != 1 {
		t.Errorf("the catalog was read %d times, want once", n)
	}
}

// A catalog that fails makes lookups fail, not keys wrong; it heals by itself.
func TestWriteKeysCatalogFails(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	_, key, err := createSource(t, w.Control, "web", "demo", "")
	if err != nil {
		t.Fatal(err)
	}
	w.Faults.LoseRequest("Sources")
	_, _, err = w.WriteKeys().Source(t.Context(), control.KeyHash(key))
	wantInjected(t, err)
	w.Faults.Clear()
	if _, _, err := w.WriteKeys().Source(t.Context(), control.KeyHash(key)); err != nil {
		t.Error(err)
	}
}

// A lookup that reads the catalog while a source is deleted must not make the
// deleted key live on.
func TestWriteKeysRace(t *testing.T) {
	w := controltest.New(t)
	mustStream(t, w, "demo", 1)
	d := w.Deps
	slow := &slowSources{Catalog: d.Catalog, entered: make(chan struct{}), leave: make(chan struct{})}
	d.Catalog = slow
	c := control.New(d)
	_, key, err := createSource(t, w.Control, "web", "demo", "") // by another Control, as it reads the sources too
	if err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		// It began before the deletion, so either answer is right.
		_, _, _ = c.WriteKeys().Source(t.Context(), control.KeyHash(key))
	})
	<-slow.entered // it has read the source and not yet published it
	if err := c.DeleteSource(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	close(slow.leave)
	reader.Wait()
	_, _, err = c.WriteKeys().Source(t.Context(), control.KeyHash(key))
	wantKind(t, err, problem.NotFound, "unknown")
}

// slowSources lets the first reader wait between reading and returning.
type slowSources struct {
	control.Catalog
	once           sync.Once
	entered, leave chan struct{}
}

func (s *slowSources) Sources(ctx context.Context) ([]stream.Source, error) {
	out, err := s.Catalog.Sources(ctx)
	s.once.Do(func() {
		close(s.entered)
		<-s.leave
	})
	return out, err
}

func BenchmarkWriteKeys(b *testing.B) {
	w := controltest.New(b)
	if _, err := w.CreateStream(b.Context(), control.NewStream{Name: "demo"}); err != nil {
		b.Fatal(err)
	}
	_, key, err := createSource(b, w.Control, "web", "demo", "")
	if err != nil {
		b.Fatal(err)
	}
	hash := control.KeyHash(key)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := w.WriteKeys().Source(b.Context(), hash); err != nil {
			b.Fatal(err)
		}
	}
}
