package download

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/api/apiv1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a bucket that counts what is read, and fails as told.
type store struct {
	mu    sync.Mutex
	data  map[string]string
	fails map[string][]error // the next answers
	reads map[string]int
}

func (s *store) fetch(_ context.Context, f File) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[f.Key]++
	if next := s.fails[f.Key]; len(next) > 0 {
		s.fails[f.Key] = next[1:]
		if next[0] != nil {
			return nil, next[0]
		}
		return io.NopCloser(strings.NewReader("damaged")), nil
	}
	text, ok := s.data[f.Key]
	if !ok {
		return nil, errGone
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

var (
	errGone = errors.New("no such object")
	errBusy = errors.New("busy")
)

func newStore(keys ...string) (*store, []File) {
	s := &store{data: map[string]string{}, fails: map[string][]error{}, reads: map[string]int{}}
	var files []File
	for i, k := range keys {
		text := strings.Repeat(k, 10_000*(i+1))
		s.data[k] = text
		files = append(files, File{Key: k, Name: k, Bytes: int64(len(text)), CRC32: crc32.ChecksumIEEE([]byte(text))})
	}
	return s, files
}

func bring(t *testing.T, s *store, dir string, files []File) Result {
	t.Helper()
	var mu sync.Mutex
	last := Progress{}
	out, err := Run(t.Context(), dir, files, s.fetch, Options{
		Jobs: 3, Tries: 3, Wait: time.Microsecond, Again: func(err error) bool { return !errors.Is(err, errGone) },
		Report: func(p Progress) {
			if !mu.TryLock() {
				t.Error("reported twice at one time")
				return
			}
			defer mu.Unlock()
			last = p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if last.Files != len(files) || last.Of != len(files) {
		t.Errorf("progress ends at %+v", last)
	}
	if len(out.Failed) == 0 && last.Bytes != last.Size {
		t.Errorf("all is here, but the progress ends at %+v", last)
	}
	return out
}

// left returns all files below dir.
func left(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestASecondRunBringsOnlyWhatIsMissing(t *testing.T) {
	s, files := newStore("a.gz", "d/b.gz", "d/e/c.gz")
	dir := filepath.Join(t.TempDir(), "new", "dir")
	if out := bring(t, s, dir, files[:2]); out.Downloaded != 2 || out.Present != 0 || out.Bytes != files[0].Bytes+files[1].Bytes {
		t.Errorf("first %+v", out)
	}
	out := bring(t, s, dir, files)
	if out.Downloaded != 1 || out.Present != 2 || s.reads["a.gz"] != 1 || s.reads["d/b.gz"] != 1 {
		t.Errorf("second %+v, read %v", out, s.reads)
	}
	// The same size is not enough, and neither is the name.
	if err := os.WriteFile(filepath.Join(dir, "a.gz"), bytes.Repeat([]byte("x"), int(files[0].Bytes)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "b.gz"), []byte("cut off"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := bring(t, s, dir, files); out.Downloaded != 2 || out.Present != 1 {
		t.Errorf("third %+v", out)
	}
	got := left(t, dir)
	if len(got) != 3 {
		t.Errorf("files %v", len(got))
	}
	for k, want := range s.data {
		if got[k] != want {
			t.Errorf("%s is not what is stored", k)
		}
	}
}

func TestWhatDoesNotMatchTheLedgerIsRefused(t *testing.T) {
	s, files := newStore("ok", "short", "long", "other", "gone", "flaky", "damaged-once")
	s.data["short"] = s.data["short"][1:]
	s.data["long"] += "x"
	s.data["other"] = strings.ToUpper(s.data["other"])
	delete(s.data, "gone")
	s.fails["flaky"] = []error{errBusy, errBusy}
	s.fails["damaged-once"] = []error{nil}
	dir := t.TempDir()
	out := bring(t, s, dir, files)
	if out.Downloaded != 3 || len(out.Failed) != 4 {
		t.Fatalf("got %+v", out)
	}
	for i, want := range [][2]string{{"gone", "no such object"}, {"long", "longer than"}, {"other", "CRC-32"}, {"short", "bytes long, the ledger says"}} {
		if f := out.Failed[i]; f.Key != want[0] || !strings.Contains(f.Err.Error(), want[1]) {
			t.Errorf("failure %d: %s: %v, want %v", i, f.Key, f.Err, want)
		}
	}
	if s.reads["gone"] != 1 || s.reads["short"] != 3 || s.reads["flaky"] != 3 || s.reads["damaged-once"] != 2 {
		t.Errorf("read %v", s.reads)
	}
	if got := left(t, dir); len(got) != 3 {
		t.Errorf("left behind: %d files", len(got))
	}
}

func TestNoFileLandsOutsideTheDirectory(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "in")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	names := []string{"../x", "/x", "a/../../x", "link/x", `a\..\x`, "", "a//x", "a/./x", ".."}
	s, files := newStore(names...)
	out := bring(t, s, dir, files)
	if out.Downloaded != 0 || len(out.Failed) != len(names) {
		t.Errorf("got %+v", out)
	}
	if got := left(t, base); len(got) != 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestTwoObjectsWithOneNameAreAFailure(t *testing.T) {
	s, files := newStore("a", "b")
	files[1].Name = "a"
	out := bring(t, s, t.TempDir(), files)
	if out.Downloaded != 1 || len(out.Failed) != 1 || !strings.Contains(out.Failed[0].Err.Error(), "both become a") {
		t.Errorf("got %+v", out)
	}
}

func TestAnInterruptLeavesWholeFilesOnly(t *testing.T) {
	s, files := newStore("a", "b", "c")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, dir, files, func(ctx context.Context, f File) (io.ReadCloser, error) {
		if f.Key == "b" {
			cancel()
		}
		return s.fetch(ctx, f)
	}, Options{Jobs: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := left(t, dir); len(got) != 1 || got["a"] != s.data["a"] {
		t.Errorf("left behind: %d files", len(got))
	}
}

func TestWhatIsWanted(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	at := func(t time.Time) *time.Time { return &t }
	crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, 7))
	object := func(key string, received *time.Time) apiv1.Object {
		return apiv1.Object{Key: key, Bytes: 1, CRC32: crc, Stored: true, Received: received}
	}
	b := apiv1.Batch{ID: "b", CutAt: day(22).Add(40 * time.Minute), Objects: []apiv1.Object{
		object("p/segment-logs/s/20/f.gz", at(day(20))), object("p/segment-logs/s/21/f.gz", at(day(21))), object("elsewhere/f.gz", nil),
		{Key: "not stored"},
	}}
	for name, c := range map[string]struct {
		w    Want
		want string
	}{
		"all":               {Want{Prefix: "p"}, "segment-logs/s/20/f.gz segment-logs/s/21/f.gz elsewhere/f.gz"},
		"one day, stripped": {Want{Days: []time.Time{day(21)}, Prefix: "p", Strip: 3}, "f.gz"},
		"two days":          {Want{Days: []time.Time{day(21), day(20)}}, "p/segment-logs/s/20/f.gz p/segment-logs/s/21/f.gz"},
		"the day of a cut":  {Want{Days: []time.Time{day(22)}, Prefix: "p", Strip: 3}, "f.gz"},
		"no such day":       {Want{Days: []time.Time{day(19)}}, ""},
		"from":              {Want{From: day(20).Add(23 * time.Hour), Prefix: "p"}, "segment-logs/s/20/f.gz segment-logs/s/21/f.gz elsewhere/f.gz"},
		"from the next":     {Want{From: day(21), Prefix: "p"}, "segment-logs/s/21/f.gz elsewhere/f.gz"},
		"to":                {Want{To: day(21), Prefix: "p"}, "segment-logs/s/20/f.gz"},
		"between":           {Want{From: day(21).Add(time.Hour), To: day(21).Add(2 * time.Hour), Prefix: "p"}, "segment-logs/s/21/f.gz"},
	} {
		c.w.Span, c.w.Sink = 24*time.Hour, "s3"
		files, err := c.w.Files(&b)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, f.Name)
			if f.CRC32 != 7 || f.Bytes != 1 || f.Sink != "s3" {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", name, s, c.want)
		}
	}
	b.Objects[0].CRC32 = "!"
	if _, err := (Want{}).Files(&b); err == nil {
		t.Error("a bad checksum is taken")
	}
}
