package objstoretest

import (
	"errors"
	"io"
	"testing"

	"strm/internal/objstore"
)

// versions: an object is read only while it is the one that was asked for.
func (s suite) versions(t *testing.T) {
	b := s.open(t)
	v := b.(objstore.Versions)
	read := func(key, etag string) (string, error) {
		t.Helper()
		body, info, err := v.OpenVersion(t.Context(), key, "", etag)
		if err != nil {
			if body != nil {
				t.Errorf("%s: an error with a body", key)
			}
			return "", err
		}
		data, err := io.ReadAll(body)
		if err := errors.Join(err, body.Close()); err != nil {
			t.Fatalf("read %s: %v", key, err)
		}
		if info.Key != key || info.Size != int64(len(data)) || info.Modified.IsZero() || etag != "" && !objstore.SameETag(info.ETag, etag) {
			t.Errorf("%s: info %+v", key, info)
		}
		return string(data), nil
	}
	refused := func(key, etag string, reason objstore.Reason) {
		t.Helper()
		_, err := read(key, etag)
		if e := objstore.AsError(err); err == nil || e.Reason != reason || e.Op != "get" || e.Outcome != objstore.Rejected || e.Key != key {
			t.Errorf("%s ETag %q: %v, want reason %s", key, etag, err, reason)
		}
	}
	mustCreate(t, b, "v/a.parquet", []byte("first"))
	info, err := b.(objstore.Stater).Stat(t.Context(), "v/a.parquet")
	if err != nil || info.ETag == "" {
		t.Fatalf("stat: %+v, %v", info, err)
	}
	for _, etag := range []string{info.ETag, objstore.BareETag(info.ETag), ""} {
		if got, err := read("v/a.parquet", etag); got != "first" || err != nil {
			t.Errorf("ETag %q: %q, %v", etag, got, err)
		}
	}
	refused("v/missing.parquet", info.ETag, objstore.NoObject)
	refused("v/missing.parquet", "", objstore.NoObject)
	if err := b.(objstore.Deleter).Delete(t.Context(), "v/a.parquet"); err != nil {
		t.Fatal(err)
	}
	refused("v/a.parquet", info.ETag, objstore.NoObject)
	mustCreate(t, b, "v/a.parquet", []byte("the second"))
	refused("v/a.parquet", info.ETag, objstore.Replaced)
	_, _, err = v.OpenVersion(t.Context(), "v/a.parquet", "no such version", "")
	if e := objstore.AsError(err); err == nil || e.Outcome != objstore.Rejected { // some stores do not know versions at all
		t.Errorf("a version that never was: %v", err)
	}
	if got, err := read("v/a.parquet", ""); got != "the second" || err != nil {
		t.Errorf("as it is now: %q, %v", got, err)
	}
}
