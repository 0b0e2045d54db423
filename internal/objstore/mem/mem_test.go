package mem_test

import (
	"errors"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/mem"
	"strm/internal/objstore/objstoretest"
)

func TestConformance(t *testing.T) {
	objstoretest.Run(t, objstoretest.Can{Verify: true, Metadata: true, AnyKey: true, LongSegment: true, Pages: 50},
		func(t *testing.T) objstore.Bucket {
			return mem.New(func(key string) { t.Errorf("%s was rewritten", key) })
		})
}

func TestRewriteIsReported(t *testing.T) {
	var told []string
	b := mem.New(func(key string) { told = append(told, key) })
	c := objstore.Bytes([]byte("one"))
	if err := b.Create(t.Context(), "k", c); err != nil {
		t.Fatal(err)
	}
	c = objstore.Bytes([]byte("two"))
	c.Overwrite = true
	err := b.Create(t.Context(), "k", c)
	if !errors.Is(err, mem.ErrRewritten) || objstore.AsError(err).Outcome != objstore.Rejected {
		t.Errorf("got %v", err)
	}
	if len(told) != 1 || told[0] != "k" || len(b.Rewritten()) != 1 {
		t.Errorf("told %v, kept %v", told, b.Rewritten())
	}
	if got, _ := objstoretest.Get(t, b, "k"); string(got) != "one" {
		t.Errorf("the object became %q", got)
	}
	if err := b.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), "k", objstore.Bytes([]byte("new"))); err != nil {
		t.Errorf("after a delete: %v", err)
	}
}
