package dir_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/dir"
	"strm/internal/objstore/objstoretest"
)

func open(t *testing.T, path string) *dir.Bucket {
	t.Helper()
	b, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestConformance(t *testing.T) {
	objstoretest.Run(t, objstoretest.Can{Verify: true, Pages: 50}, func(t *testing.T) objstore.Bucket {
		path := filepath.Join(t.TempDir(), "new", "bucket")
		t.Cleanup(func() { noLeftovers(t, path) })
		return open(t, path)
	})
}

func noLeftovers(t *testing.T, path string) {
	t.Helper()
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".strm-tmp-") {
			t.Errorf("leftover %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKeysStayInside(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	bucket := filepath.Join(base, "bucket")
	b := open(t, bucket)
	if err := os.Symlink(outside, filepath.Join(bucket, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "f"), filepath.Join(bucket, "file")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../x", "a/../../x", "/etc/x", "a//b", "a/", "./a", "link/x", "file", ".strm-tmp-1",
		"a/.strm-tmp-1", "a/" + strings.Repeat("n", 256)} {
		for _, overwrite := range []bool{false, true} {
			c := objstore.Bytes([]byte("x"))
			c.Overwrite = overwrite
			if e := objstoretest.Want(t, b.Create(t.Context(), key, c), objstore.Rejected); e.Reason != objstore.BadKey {
				t.Errorf("%q: reason %q (%v)", key, e.Reason, e)
			}
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
}

func TestPathIsAFile(t *testing.T) {
	b := open(t, t.TempDir())
	if err := b.Create(t.Context(), "a", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	if e := objstoretest.Want(t, b.Create(t.Context(), "a/b", objstore.Bytes(nil)), objstore.Rejected); e.Reason != objstore.BadKey {
		t.Errorf("reason %q (%v)", e.Reason, e)
	}
	if err := b.Create(t.Context(), "d/b", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	for _, overwrite := range []bool{false, true} {
		c := objstore.Bytes(nil)
		c.Overwrite = overwrite
		if e := objstoretest.Want(t, b.Create(t.Context(), "d", c), objstore.Rejected); e.Reason != objstore.BadKey {
			t.Errorf("overwrite %v: reason %q (%v)", overwrite, e.Reason, e)
		}
	}
}

// A writer that died leaves a file without a lock; one that lives holds it.
func TestSweep(t *testing.T) {
	path := t.TempDir()
	dead := filepath.Join(path, ".strm-tmp-dead")
	foreign := filepath.Join(path, ".other-tmp")
	for _, name := range []string{dead, foreign} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, path)
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a foreign file went: %v", err)
	}
	c := objstore.Bytes([]byte("whole"))
	whole := c.Open
	c.Open = func() (io.ReadSeekCloser, error) {
		r, err := whole()
		return &hooked{ReadSeekCloser: r, atRead: func() { open(t, path) }}, err
	}
	if err := b.Create(t.Context(), "k", c); err != nil {
		t.Errorf("a sweep disturbed a living writer: %v", err)
	}
	if got, _ := objstoretest.Get(t, b, "k"); string(got) != "whole" {
		t.Errorf("got %q", got)
	}
	noLeftovers(t, path)
}

type hooked struct {
	io.ReadSeekCloser
	atRead func()
}

func (h *hooked) Read(p []byte) (int, error) {
	h.atRead()
	return h.ReadSeekCloser.Read(p)
}

func TestRelativePathIsRefused(t *testing.T) {
	if _, err := dir.Open("some/where"); err == nil {
		t.Error("a relative path was accepted")
	}
}
