package secrets_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strm/internal/problem"
	"strm/internal/secrets"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInitChangesNothingThatIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	made, err := secrets.Init(dir)
	if err != nil || len(made) != 2 {
		t.Fatalf("%v, %v", made, err)
	}
	keys := read(t, filepath.Join(dir, secrets.KeysFile))
	for _, path := range made {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := secrets.Init(dir); problem.KindOf(err) != problem.Conflict {
		t.Errorf("again: %v", err)
	}
	// What a process that died left half done is completed.
	if err := os.Remove(filepath.Join(dir, secrets.TokenFile)); err != nil {
		t.Fatal(err)
	}
	if made, err := secrets.Init(dir); err != nil || len(made) != 1 {
		t.Errorf("one missing: %v, %v", made, err)
	}
	if !bytes.Equal(keys, read(t, filepath.Join(dir, secrets.KeysFile))) {
		t.Error("the keys were changed")
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	_, err := secrets.Open(dir, false)
	if problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "strm init --secrets") {
		t.Errorf("nothing there: %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("refusing left %v", left)
	}
	first, err := secrets.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := secrets.Open(dir, false)
	if err != nil || second.Token != first.Token || len(first.Token) < 40 {
		t.Errorf("%v, the same token: %v", err, second.Token == first.Token)
	}
	sealed, err := first.Sealer.Seal([]byte("plain"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := second.Sealer.Open(sealed, nil); err != nil || string(plain) != "plain" {
		t.Errorf("%q, %v", plain, err)
	}
	if err := os.Remove(filepath.Join(dir, secrets.KeysFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Open(dir, false); problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "seal.keys") {
		t.Errorf("keys missing: %v", err)
	}
	if err := os.Chmod(filepath.Join(dir, secrets.TokenFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := secrets.Open(dir, false); problem.KindOf(err) != problem.Invalid {
		t.Errorf("open to all: %v", err)
	}
}

// Fingerprints know a key again, also in a longer file, and tell nothing of it.
func TestFingerprints(t *testing.T) {
	dir := t.TempDir()
	s, err := secrets.Open(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	one, err := s.Sealer.Fingerprints()
	if err != nil || len(one) != 1 {
		t.Fatalf("%v, %v", one, err)
	}
	if err := s.Sealer.Rotate(); err != nil {
		t.Fatal(err)
	}
	two, err := s.Sealer.Fingerprints()
	if err != nil || len(two) != 2 || two[0] == two[1] || two[0] != one[0] && two[1] != one[0] {
		t.Errorf("%v after %v, %v", two, one, err)
	}
	a, _ := secrets.TokenFingerprint(s.Token, "strm1")
	b, _ := secrets.TokenFingerprint(s.Token, "strm2")
	c, _ := secrets.TokenFingerprint(s.Token, "strm1")
	if a == b || a != c || strings.Contains(s.Token, a) || len(a) != 32 {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}

func TestCopy(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	if _, err := secrets.Init(from); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := secrets.Copy(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{secrets.TokenFile, secrets.KeysFile} {
		if !bytes.Equal(read(t, filepath.Join(from, name)), read(t, filepath.Join(to, name))) {
			t.Errorf("%s differs", name)
		}
	}
	other := t.TempDir()
	if _, err := secrets.Init(other); err != nil {
		t.Fatal(err)
	}
	if err := secrets.Copy(from, other); problem.KindOf(err) != problem.Conflict {
		t.Errorf("over others: %v", err)
	}
}
