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
const stateVersion = 1

// KeyWindow is how long the server remembers an idempotency key. A chunk sent
// longer ago may not be sent again: it could count twice.
const KeyWindow = 24 * time.Hour

// identity says what is sent where. Another size or time of change is another
// file.
type identity struct {
	Server string    `json:"server"`
	Stream string    `json:"stream"`
	Path   string    `json:"path"`
	Size   int64     `json:"size"`
	MTime  time.Time `json:"mtime"`
}

// fileName returns the name of the state file.
func (id identity) fileName() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{
		id.Server, id.Stream, id.Path, strconv.FormatInt(id.Size, 10), strconv.FormatInt(id.MTime.UnixNano(), 10),
	}, "|")))
	return hex.EncodeToString(sum[:]) + ".json"
}

// sameFile reports whether both mean the same path on the same stream, changed
// or not.
func (id identity) sameFile(o identity) bool {
	return id.Server == o.Server && id.Stream == o.Stream && id.Path == o.Path
}

// state is what a run leaves for the next one.
type state struct {
	Version int    `json:"version"`
	Session string `json:"session"`
	identity
	Low    mark  `json:"low"`
	Events int64 `json:"events"` // before the mark
	// LowAt: no chunk behind the mark was first sent before this time.
	LowAt    time.Time   `json:"lowAt"`
	Accepted []lineRange `json:"accepted,omitempty"` // for people, when the file has changed since
	Done     bool        `json:"done,omitempty"`     // the whole file is in, other files of the command are not
}

// expired reports whether chunks behind the mark may have left the server's
// memory.
func (s *state) expired(now time.Time) bool { return now.Sub(s.LowAt) >= KeyWindow }

// store keeps states in a directory. The zero value keeps nothing.
type store struct{ dir string }

// load returns the state of id, or nil.
func (st store) load(id identity) (*state, error) {
	if st.dir == "" {
		return nil, nil
	}
	return st.read(filepath.Join(st.dir, id.fileName()))
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
		if err != nil || s == nil {
			continue // another file's state; its own send will tell
		}
		if s.sameFile(id) {
			return s, nil
		}
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
	if err := os.MkdirAll(st.dir, 0o700); err != nil {
		return nil, fmt.Errorf("directory for the state of sends: %w", err)
	}
	b, err := s.text()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(st.dir, s.fileName())
	err = durable.CreateFile(path, b, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return st.read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("state of the send: %w", err)
	}
	return s, nil
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
	err := os.Remove(filepath.Join(st.dir, id.fileName()))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state of the send: %w", err)
	}
	return nil
}
