package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"strm/internal/durable"
)

func TestWriteFileReplacesWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	for _, want := range [][]byte{[]byte("first, and longer"), []byte("second"), nil} {
		if err := durable.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	assertOnly(t, dir, "token")
}

func TestWriteFileFailureLeavesNoLitter(t *testing.T) {
	dir := t.TempDir()
	// A directory in the way makes the rename fail.
	if err := os.Mkdir(filepath.Join(dir, "token"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(filepath.Join(dir, "token"), []byte("x"), 0o600); err == nil {
		t.Fatal("wrote over a directory")
	}
	assertOnly(t, dir, "token")
	if err := durable.WriteFile(filepath.Join(dir, "missing", "token"), []byte("x"), 0o600); err == nil {
		t.Fatal("wrote into a missing directory")
	}
}

func TestCreateFileHasOneWinner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	const callers = 8
	got := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { got[i] = durable.CreateFile(path, []byte{byte('a' + i)}, 0o600) })
	}
	all.Wait()
	var winner []byte
	for i, err := range got {
		switch {
		case err == nil:
			winner = append(winner, byte('a'+i))
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("caller %d: %v", i, err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || len(winner) != 1 || !bytes.Equal(text, winner) {
		t.Fatalf("winners %q, file %q, %v", winner, text, err)
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v; want 0600", fi.Mode(), err)
	}
	assertOnly(t, dir, "key")
	if err := durable.CreateFile(filepath.Join(dir, "missing", "key"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("in a missing directory: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "c")
	for range 2 {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "f")
	if err := durable.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.MkdirAll(filepath.Join(file, "d"), 0o700); err == nil {
		t.Fatal("made a directory below a file")
	}
}

func assertOnly(t *testing.T, dir, name string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(es) != 1 || es[0].Name() != name {
		t.Fatalf("directory holds %v; want only %s", es, name)
	}
}
