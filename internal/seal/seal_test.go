package seal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"strm/internal/problem"
	"strm/internal/seal"
)

func open(t testing.TB, path string) *seal.Sealer {
	t.Helper()
	s, err := seal.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t testing.TB, s *seal.Sealer, plain, ad string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(plain), []byte(ad))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func mustOpen(t *testing.T, s *seal.Sealer, sealed []byte, ad, want string) {
	t.Helper()
	got, err := s.Open(sealed, []byte(ad))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("opened %q, want %q", got, want)
	}
}

func TestSealAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := open(t, path)
	sealed := mustSeal(t, s, "secret", "sink-1")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the secret is readable")
	}
	mustOpen(t, s, sealed, "sink-1", "secret")
	mustOpen(t, open(t, path), sealed, "sink-1", "secret") // after a restart
	mustOpen(t, s, mustSeal(t, s, "", ""), "", "")

	if _, err := s.Open(sealed, []byte("sink-2")); problem.KindOf(err) != problem.Corrupt {
		t.Errorf("of another sink: %v", err)
	}
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		if plain, err := s.Open(broken, []byte("sink-1")); err == nil {
			t.Errorf("byte %d changed: opened %q", i, plain)
		}
	}
	for n := range sealed {
		if _, err := s.Open(sealed[:n], []byte("sink-1")); problem.KindOf(err) != problem.Corrupt {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	open(t, path)
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", fi.Mode().Perm())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%v left, %v", entries, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.Open(path); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := seal.Open(filepath.Join(dir, "missing", "keys.json")); err == nil {
		t.Error("a missing directory was accepted")
	}
	if _, err := seal.Open(dir); err == nil {
		t.Error("a directory was accepted")
	}
}

func TestDamagedKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	open(t, path)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{nil, []byte("{}"), whole[:len(whole)/2]} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := seal.Open(path)
		if problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), path) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
		if now, readErr := os.ReadFile(path); readErr != nil || !bytes.Equal(now, text) {
			t.Error("the damaged file was overwritten")
		}
	}
}

func TestLostKeyFile(t *testing.T) {
	dir := t.TempDir()
	sealed := mustSeal(t, open(t, filepath.Join(dir, "old.json")), "secret", "a")
	path := filepath.Join(dir, "new.json")
	_, err := open(t, path).Open(sealed, []byte("a"))
	want := fmt.Sprintf("sealed with key %x, which is not in %s", sealed[1:5], path)
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	s := open(t, path)
	old := mustSeal(t, s, "old", "a")
	if err := s.Rotate(); err != nil {
		t.Fatal(err)
	}
	fresh := mustSeal(t, s, "fresh", "a")
	if bytes.Equal(old[:5], fresh[:5]) {
		t.Error("the old key is still in use")
	}
	for _, s := range []*seal.Sealer{s, open(t, path)} {
		mustOpen(t, s, old, "a", "old")
		mustOpen(t, s, fresh, "a", "fresh")
		if again := mustSeal(t, s, "x", "a"); !bytes.Equal(again[:5], fresh[:5]) {
			t.Error("not the newest key")
		}
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}

// Two servers that start for the first time at once use the same key.
func TestCreateRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	sealers := make([]*seal.Sealer, 8)
	var wg sync.WaitGroup
	for i := range sealers {
		wg.Go(func() {
			s, err := seal.Open(path)
			if err != nil {
				t.Error(err)
			}
			sealers[i] = s
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, s := range sealers {
		mustOpen(t, sealers[0], mustSeal(t, s, "x", "a"), "a", "x")
	}
}

func FuzzOpen(f *testing.F) {
	s := open(f, filepath.Join(f.TempDir(), "keys.json"))
	good := mustSeal(f, s, "secret", "a")
	f.Add(good, []byte("a"))
	f.Add(good[:20], []byte("a"))
	f.Add([]byte{}, []byte{})
	f.Add(append(bytes.Clone(good), 0), []byte("b"))
	f.Fuzz(func(t *testing.T, sealed, ad []byte) {
		plain, err := s.Open(sealed, ad)
		if err == nil && (!bytes.Equal(sealed, good) || string(ad) != "a" || string(plain) != "secret") {
			t.Fatalf("opened what was never sealed: %x", sealed)
		}
		if err != nil && problem.KindOf(err) == problem.Internal {
			t.Fatalf("no kind: %v", err)
		}
	})
}
