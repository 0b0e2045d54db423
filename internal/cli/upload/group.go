package upload

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strm/internal/durable"
)

// A group stands for a command with several files, some of which are in. It is
// an empty file, and the states of those files name it. Removing it forgets
// them all in one step:
//
//	crash before it is removed   the files that are in are not sent again
//	crash after                  the command is done; given again, it sends
//	                             every file again, none by halves

const groupSuffix = ".group"

// randomName returns a name that nobody else has.
func randomName() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("random name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// newGroup makes a group, durably.
func (st store) newGroup() (string, error) {
	g, err := randomName()
	if err != nil || st.dir == "" {
		return g, err
	}
	if err := durable.WriteFile(filepath.Join(st.dir, g+groupSuffix), nil, 0o600); err != nil {
		return "", fmt.Errorf("state of the send: %w", err)
	}
	return g, nil
}

// inGroup reports whether the state's group exists.
func (st store) inGroup(s *state) (bool, error) {
	_, err := os.Stat(filepath.Join(st.dir, s.Group+groupSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("state of an earlier send: %w", err)
	}
	return true, nil
}

// commit forgets the files of a command that is done. Its first removal decides:
// without a group there is one state to remove, else the group goes first, and
// for good before any state does.
func (st store) commit(group string, done []identity) error {
	if st.dir == "" {
		return nil
	}
	if group != "" {
		if err := st.removeName(group + groupSuffix); err != nil {
			return err
		}
		if err := durable.SyncDir(st.dir); err != nil {
			return fmt.Errorf("state of the send: %w", err)
		}
	}
	for _, id := range done {
		if err := st.remove(id); err != nil {
			return err
		}
	}
	return nil
}

// How long what nobody needs any more stays at most.
const (
	keepStates = 30 * 24 * time.Hour
	keepLitter = time.Hour // longer than any write takes
)

// sweep removes what runs that died have left: temporary files, states of
// commands that are done, groups that no state names, and old states. An old
// state stays while its file is what it was: without it the same command would
// quietly count again what it had sent. Best effort; what cannot be removed now
// is met again by the next run, and harms nobody.
func (st store) sweep(now time.Time) {
	if st.dir == "" {
		return
	}
	entries, err := os.ReadDir(st.dir)
	if err != nil {
		return
	}
	var groups []string
	used := map[string]bool{}
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() {
			continue
		}
		age, name := now.Sub(fi.ModTime()), e.Name()
		switch {
		case strings.HasPrefix(name, ".") && strings.Contains(name, ".tmp"):
			if age > keepLitter {
				_ = st.removeName(name)
			}
		case strings.HasSuffix(name, groupSuffix):
			if age > keepLitter {
				groups = append(groups, strings.TrimSuffix(name, groupSuffix))
			}
		case strings.HasSuffix(name, ".json"):
			s, err := st.read(filepath.Join(st.dir, name))
			if st.worthless(s, err, age) {
				_ = st.removeName(name)
			} else if s != nil {
				used[s.Group] = true
			}
		}
	}
	for _, g := range groups {
		if !used[g] {
			_ = st.removeName(g + groupSuffix)
		}
	}
}

// worthless reports whether a state, or what could not be read as one, is of no
// use any more.
func (st store) worthless(s *state, err error, age time.Duration) bool {
	if s != nil && s.Group != "" {
		if in, err := st.inGroup(s); err == nil && !in {
			return true
		}
	}
	return age > keepStates && (err != nil || s == nil || !s.unchanged())
}
