package traffic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strm/test/s3double"
)

func TestWritesOfAnIdleServerAreTold(t *testing.T) {
	r := Run{Store: &s3double.Store{}}
	if err := r.Kept(0); err != nil {
		t.Error(err)
	}
	if err := r.Kept(-2); err == nil || !strings.Contains(err.Error(), "wrote 2 objects") {
		t.Error(err)
	}
}

func TestDump(t *testing.T) {
	r, dir := Run{Store: &s3double.Store{}}, t.TempDir()
	r.Store.Add("a/b/c.jsonl", []byte("text"))
	if err := r.Dump(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "bucket", "a", "b", "c.jsonl")); err != nil || string(got) != "text" {
		t.Errorf("%q %v", got, err)
	}
}

type told string

func (s told) String() string { return string(s) }

// TestCommandKeepsWhatIsNeeded: the files of a failed run stay, and those in a
// directory that was asked for.
func TestCommandKeepsWhatIsNeeded(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	named := t.TempDir()
	for name, tc := range map[string]struct {
		dir    string
		err    error
		status int
		kept   bool
	}{
		"good":          {"", nil, 0, false},
		"good, named":   {named, nil, 0, true},
		"failed":        {"", errors.New("wrong"), 1, true},
		"failed, named": {named, errors.New("wrong"), 1, true},
	} {
		var used string
		status := Command{Name: "test", What: "one run", Dir: tc.dir}.Run(func(dir string) (fmt.Stringer, error) {
			used = dir
			return told("done"), tc.err
		})
		_, err := os.Stat(used)
		if status != tc.status || (err == nil) != tc.kept || tc.dir != "" && used != tc.dir {
			t.Errorf("%s: status %d, in %s: %v", name, status, used, err)
		}
	}
}
