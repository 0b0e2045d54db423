package embedded

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

const testID = "00000000000000a1"

func testOptions(fs vfs.FS) Options {
	return Options{Logger: slog.New(slog.DiscardHandler), FS: fs, MinFree: -1}
}

// noisy is an entry that compresses badly, so that its blocks are real ones.
func noisy(rng *rand.Rand, events int) eventlog.Entry {
	var data, noise []byte
	for range events {
		noise = noise[:0]
		for range 4 {
			noise = binary.BigEndian.AppendUint64(noise, rng.Uint64())
		}
		data = append(data, `{"a":"`...)
		data = hex.AppendEncode(data, noise)
		data = append(data, `"}`+"\n"...)
	}
	return eventlog.Entry{Events: events, Data: data}
}

// written makes a log with blocks at offsets 0, 100, ..., 900 of partition 1.
func written(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	l, err := Open(dir, testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Create(context.Background(), testID, 2); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 10 {
		e := noisy(rng, 100)
		e.Partition, e.Key, e.Digest = 1, fmt.Sprint("key", i), 5
		if _, err := l.Append(context.Background(), testID, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.db.Flush(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// tamper changes the closed log in /log behind its back.
func tamper(t *testing.T, fs vfs.FS, change func(db *pebble.DB) error) {
	t.Helper()
	opts := testOptions(fs)
	opts.setDefaults()
	db, err := pebble.Open("/log", engineOptions(&opts, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func edit(db *pebble.DB, key []byte, f func(v []byte) []byte) error {
	v, c, err := db.Get(key)
	if err != nil {
		return err
	}
	v = f(append([]byte(nil), v...))
	return errors.Join(c.Close(), db.Set(key, v, pebble.Sync))
}

func flip(v []byte) []byte { v[len(v)/2] ^= 0x10; return v }

func closed(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestDamageIsReportedByPlace(t *testing.T) {
	header := func(off stream.Offset) []byte { return blockKey(spaceHeader, 1, 1, off) }
	payload := func(off stream.Offset) []byte { return blockKey(spacePayload, 1, 1, off) }
	move := func(db *pebble.DB, to, from []byte) error {
		return edit(db, to, func([]byte) []byte {
			v, c, err := db.Get(from)
			if err != nil {
				t.Fatal(err)
			}
			v = append([]byte(nil), v...)
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			return v
		})
	}
	for _, c := range []struct {
		name   string
		change func(db *pebble.DB) error
		good   int // blocks before the damage
		index  bool
	}{
		{"payload bit", func(db *pebble.DB) error { return edit(db, payload(300), flip) }, 3, false},
		{"payload cut", func(db *pebble.DB) error {
			return edit(db, payload(300), func(v []byte) []byte { return v[:len(v)-1] })
		}, 3, false},
		{"payload of another block", func(db *pebble.DB) error { return move(db, payload(300), payload(400)) }, 3, false},
		{"payload missing", func(db *pebble.DB) error { return db.Delete(payload(300), pebble.Sync) }, 3, false},
		{"header bit", func(db *pebble.DB) error { return edit(db, header(300), flip) }, 3, true},
		{"header cut", func(db *pebble.DB) error {
			return edit(db, header(300), func(v []byte) []byte { return v[:9] })
		}, 3, true},
		{"header of another block", func(db *pebble.DB) error { return move(db, header(300), header(400)) }, 3, true},
		{"header missing", func(db *pebble.DB) error { return db.Delete(header(300), pebble.Sync) }, 3, true},
		{"first header missing", func(db *pebble.DB) error { return db.Delete(header(0), pebble.Sync) }, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			written(t, fs, "/log")
			tamper(t, fs, c.change)
			l, err := Open("/log", testOptions(fs))
			if err != nil {
				t.Fatal(err)
			}
			defer closed(t, l)
			place := fmt.Sprintf("stream %s partition 1 offset %d:", testID, c.good*100)
			wantDamage := func(what string, n int, err error) {
				t.Helper()
				if n != c.good || !errors.Is(err, eventlog.ErrCorrupt) || problem.KindOf(err) != problem.Corrupt || !strings.Contains(err.Error(), place) {
					t.Errorf("%s: %d blocks, then %v; want %d, then damage at %q", what, n, err, c.good, place)
				}
			}
			r := stream.Range{Partition: 1, End: 1000}
			n := 0
			var last error
			for _, err := range l.Read(context.Background(), testID, r) {
				if last = err; err == nil {
					n++
				}
			}
			wantDamage("read", n, last)
			n, last = 0, nil
			for _, err := range l.Index(context.Background(), testID, r) {
				if last = err; err == nil {
					n++
				}
			}
			if c.index {
				wantDamage("index", n, last)
			} else if n != 10 || last != nil {
				t.Errorf("index: %d blocks, %v; it does not touch payloads", n, last)
			}
		})
	}
}

func TestDamagedEndRefusesAppends(t *testing.T) {
	fs := vfs.NewMem()
	written(t, fs, "/log")
	tamper(t, fs, func(db *pebble.DB) error { return edit(db, blockKey(spaceHeader, 1, 1, 900), flip) })
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, l)
	e := noisy(rand.New(rand.NewPCG(1, 1)), 2)
	e.Partition = 1
	if _, err := l.Append(context.Background(), testID, e); !errors.Is(err, eventlog.ErrCorrupt) {
		t.Errorf("append behind a damaged end: %v", err)
	}
	if _, err := l.Bounds(context.Background(), testID); problem.KindOf(err) != problem.Corrupt {
		t.Errorf("bounds: %v", err)
	}
	e.Partition = 0 // the rest of the log works on
	if _, err := l.Append(context.Background(), testID, e); err != nil {
		t.Error(err)
	}
}

func TestDamagedKeyIsNotForgotten(t *testing.T) {
	fs := vfs.NewMem()
	written(t, fs, "/log")
	tamper(t, fs, func(db *pebble.DB) error { return edit(db, keyKey(1, "key4"), flip) })
	l, err := Open("/log", testOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, l)
	e := noisy(rand.New(rand.NewPCG(1, 1)), 2)
	e.Partition, e.Key, e.Digest = 1, "key4", 5
	if _, err := l.Append(context.Background(), testID, e); !errors.Is(err, eventlog.ErrCorrupt) {
		t.Errorf("append with a damaged key: %v", err)
	}
}

func TestNewerVersionIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	written(t, fs, "/log")
	tamper(t, fs, func(db *pebble.DB) error {
		return db.Set([]byte{spaceVersion}, be.AppendUint32(nil, versionNewest+1), pebble.Sync)
	})
	for range 2 { // and again: refusing lets go of the lock
		l, err := Open("/log", testOptions(fs))
		if err == nil {
			_ = l.Close()
			t.Fatal("opened a newer format")
		}
		if !strings.Contains(err.Error(), "format version 4") {
			t.Errorf("the message does not help: %v", err)
		}
	}
}

func TestDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(dir, testOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, testOptions(nil)); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second open: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(dir, testOptions(nil)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// A bit that flips in a file is an error or nothing, never other events.
func TestBitsFlippedOnDisk(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	written(t, vfs.Default, good)
	want, err := readAll(good)
	if err != nil || len(want) != 10 {
		t.Fatalf("%d blocks, %v", len(want), err)
	}
	files, err := filepath.Glob(filepath.Join(good, "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(5, 6))
	reported := 0
	for _, f := range files {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Size() == 0 || strings.Contains(f, "OPTIONS") {
			continue
		}
		for range 12 {
			bad := filepath.Join(dir, "bad")
			if err := os.CopyFS(bad, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(bad, filepath.Base(f))
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			at := rng.IntN(len(b))
			b[at] ^= 1 << rng.IntN(8)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readAll(bad)
			for i, g := range got {
				if g != want[i] {
					t.Errorf("%s byte %d: block %d is something else", filepath.Base(f), at, i)
				}
			}
			data := strings.HasSuffix(f, ".sst") || strings.HasSuffix(f, ".blob")
			switch {
			case errors.Is(err, eventlog.ErrCorrupt) && problem.KindOf(err) == problem.Corrupt:
				reported++
			case err == nil && len(got) != len(want) && data:
				t.Errorf("%s byte %d: %d blocks and no error", filepath.Base(f), at, len(got))
			case err != nil && data:
				t.Errorf("%s byte %d: not called damage: %v", filepath.Base(f), at, err)
			}
			if err := os.RemoveAll(bad); err != nil {
				t.Fatal(err)
			}
		}
	}
	if reported == 0 {
		t.Error("no flip was noticed")
	}
}

// readAll returns the gzip members of the written log up to the first error.
func readAll(dir string) (out []string, err error) {
	l, err := Open(dir, testOptions(nil))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for b, err := range l.Read(context.Background(), testID, stream.Range{Partition: 1, End: 1000}) {
		if err != nil {
			return out, err
		}
		out = append(out, string(b.Gzip))
	}
	return out, nil
}
