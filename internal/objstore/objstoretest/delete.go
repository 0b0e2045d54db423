package objstoretest

import (
	"context"
	"errors"
	"maps"
	"testing"

	"strm/internal/objstore"
)

// stat: a description without the bytes, the same as Open's.
func (s suite) stat(t *testing.T) {
	b := s.open(t)
	c := objstore.Bytes(pattern(1000))
	if s.can.Metadata {
		c.Metadata = map[string]string{"strm-stream": "5f", "ab-generation-id": "12"}
	}
	if err := b.Create(t.Context(), "p/s.jsonl", c); err != nil {
		t.Fatal(err)
	}
	_, want := Get(t, b, "p/s.jsonl")
	got, err := b.(objstore.Stater).Stat(t.Context(), "p/s.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if got.Key != want.Key || got.Size != 1000 || got.ETag != want.ETag || got.Modified.IsZero() || !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("stat %+v, open %+v", got, want)
	}
	_, err = b.(objstore.Stater).Stat(t.Context(), "p/missing.jsonl")
	if e := objstore.AsError(err); err == nil || e.Reason != objstore.NoObject || e.Op != "get" {
		t.Errorf("missing: %v, want reason %s", err, objstore.NoObject)
	}
}

// delete: one object goes, its neighbours stay, the key is free again.
func (s suite) delete(t *testing.T) {
	b := s.open(t)
	d := b.(objstore.Deleter)
	for _, key := range []string{"p/a.jsonl", "p/a.jsonl.gz", "p/b/c.jsonl"} {
		mustCreate(t, b, key, []byte(key))
	}
	for _, key := range []string{"p/a.jsonl", "p/a.jsonl", "p/missing.jsonl", "nowhere/at/all.jsonl", "p/b", "p"} {
		if err := d.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %q: %v", key, err)
		}
	}
	_, _, err := b.(objstore.Reader).Open(t.Context(), "p/a.jsonl")
	if e := objstore.AsError(err); err == nil || e.Reason != objstore.NoObject {
		t.Errorf("after the delete: %v", err)
	}
	var left []string
	for info, err := range b.(objstore.Lister).List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, info.Key)
	}
	if len(left) != 2 || left[0] != "p/a.jsonl.gz" || left[1] != "p/b/c.jsonl" {
		t.Errorf("left: %q", left)
	}
	mustCreate(t, b, "p/a.jsonl", []byte("again"))
	if got, _ := Get(t, b, "p/a.jsonl"); string(got) != "again" {
		t.Errorf("created again: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Delete(ctx, "p/a.jsonl"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if got, _ := Get(t, b, "p/a.jsonl"); string(got) != "again" {
		t.Errorf("a cancelled delete left %q", got)
	}
}
