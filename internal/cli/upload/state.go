package upload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"strm/internal/durable"
)

// stateVersion is raised when the cutting rule or the file's shape changes.
const stateVersion = 2

// identity says what is sent where. Another size or time of change is another
// file.
type identity struct {
	Target string    `json:"target"`
	Path   string    `json:"path"`
	Size   int64     `json:"size"`
	MTime  time.Time `json:"mtime"`
}

// fileName returns the name of the state file.
func (id identity) fileName() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		id.Target, id.Path, strconv.FormatInt(id.Size, 10), strconv.FormatInt(id.MTime.UnixNano(), 10),
	}, "|")))
	return hex.EncodeToString(sum[:]) + ".json"
}

// sameFile reports whether both mean the same path on the same stream, changed
// or not.
func (id identity) sameFile(o identity) bool {
	return id.Target == o.Target && id.Path == o.Path
}

// unchanged reports whether the file is still what it was.
func (id identity) unchanged() bool {
	fi, err := os.Stat(id.Path)
	return err == nil && fi.Size() == id.Size && fi.ModTime().Equal(id.MTime)
}

// state is what a run leaves for the next one.
type state struct {
	Version int    `json:"version"`
	Session string `json:"session"`
	identity
	Low    mark  `json:"low"`
	Events int64 `json:"events"` // before the mark
	// Reach: no chunk that begins here or later was ever sent.
	Reach int64 `json:"reach"`
	// LowAt: no chunk between the mark and Reach was first sent before this time.
	LowAt time.Time `json:"lowAt"`
	// Window is the shortest that the server ever named: what it forgot while
	// its memory was short stays forgotten when it is made longer.
	Window   keyWindow   `json:"window"`
	Accepted []lineRange `json:"accepted,omitempty"` // for people, when the file has changed since
	// Group: the whole file is in, and that counts as long as the group exists;
	// other files of the command are not in. Without the group the command is
	// done, and so is this state.
	Group string `json:"group,omitempty"`
}

// store keeps states in a directory. The zero value keeps nothing.
type store struct {
	dir string

	// For tests; nil means the real thing.
	createFile func(path string, data []byte, perm os.FileMode) error
	removeFile func(path string) error
}

// load returns the state of id, or nil.
func (st store) load(id identity) (*state, error) {
	if st.dir == "" {
		return nil, nil
	}
	s, err := st.read(filepath.Join(st.dir, id.fileName()))
	if err != nil || s == nil || s.Group == "" {
		return s, err
	}
	in, err := st.inGroup(s)
	if err != nil || in {
		return s, err
	}
	return nil, st.remove(id) // the run that did this died while it cleaned up
}

func (st store) read(path string) (*state, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of an earlier send: %w", err)
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil || s.Version != stateVersion || s.Session == "" {
		return nil, fmt.Errorf("state of an earlier send, %s: not readable by this version of strm; use --restart to send everything again", path)
	}
	return &s, nil
}

// changed returns the state of an unfinished send of the same path whose size
// or time of change was another, or nil.
func (st store) changed(id identity) (*state, error) {
	if st.dir == "" {
		return nil, nil
	}
	names, err := filepath.Glob(filepath.Join(st.dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("states of earlier sends: %w", err)
	}
	for _, n := range names {
		if filepath.Base(n) == id.fileName() {
			continue
		}
		s, err := st.read(n)
		if err != nil || s == nil || !s.sameFile(id) {
			continue // another file's state; its own send will tell
		}
		if s.Group != "" {
			in, err := st.inGroup(s)
			if err != nil {
				return nil, err
			}
			if !in {
				continue
			}
		}
		return s, nil
	}
	return nil, nil
}

// create writes a first state unless there is one already; then it returns
// that one: two runs of the same command share a session and so still count
// every line once.
func (st store) create(s *state) (*state, error) {
	if st.dir == "" {
		return s, nil
	}
	if err := durable.MkdirAll(st.dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory for the state of sends: %w", err)
	}
	b, err := s.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(st.dir, s.fileName())
	create := st.createFile
	if create == nil {
		create = durable.CreateFile
	}
	err = create(path, b, 0o600)
	var noLink *os.LinkError
	if errors.As(err, &noLink) && !errors.Is(err, fs.ErrExist) {
		err = claimFile(path, b)
	}
	if errors.Is(err, fs.ErrExist) {
		return st.read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("state of the send: %w", err)
	}
	return s, nil
}

// claimFile creates a whole file where there are no hard links: an empty file is
// the claim, which one caller wins and then replaces. Crash in between: the
// empty file is not readable as a state, so the next run refuses, and nothing
// was sent.
func claimFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return durable.WriteFile(path, data, 0o600)
}

// save replaces the state. A crash leaves the old or the new one, whole.
func (st store) save(s *state) error {
	if st.dir == "" {
		return nil
	}
	b, err := s.text()
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(st.dir, s.fileName()), b, 0o600); err != nil {
		return fmt.Errorf("state of the send: %w", err)
	}
	return nil
}

// text is what the file holds.
func (s *state) text() ([]byte, error) {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("state of the send: %w", err)
	}
	return append(b, '\n'), nil
}

// remove forgets a state; a missing one is fine.
func (st store) remove(id identity) error {
	if st.dir == "" {
		return nil
	}
	return st.removeName(id.fileName())
}

func (st store) removeName(name string) error {
	remove := st.removeFile
	if remove == nil {
		remove = os.Remove
	}
	if err := remove(filepath.Join(st.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state of the send: %w", err)
	}
	return nil
}
