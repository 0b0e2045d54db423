package migrate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"strm/internal/durable"
	"strm/internal/problem"
)

// movedFile tells, in a data directory, that its state lives elsewhere.
const movedFile = "moved.json"

// Moved says where the state of a data directory has gone.
type Moved struct {
	Log     string    `json:"log"` // without a password
	Catalog string    `json:"catalog"`
	At      time.Time `json:"at"`
}

// Check refuses a data directory whose state has moved: kind Conflict.
func Check(data string) error {
	m, moved, err := readMoved(data)
	if err != nil || !moved {
		return err
	}
	return problem.New(problem.Conflict, "what was in %s has moved to %s and %s on %s, and goes on there: start a node with --log, --catalog and --secrets. "+
		"Serving from here again would deliver events twice", data, m.Log, m.Catalog, m.At.Format(time.DateTime))
}

func readMoved(data string) (m Moved, moved bool, err error) {
	path := filepath.Join(data, movedFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("has the state moved: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, false, problem.New(problem.Corrupt, "%s is damaged: %w", path, err)
	}
	return m, true, nil
}

func writeMoved(data string, m Moved) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(data, movedFile), append(b, '\n'), 0o600)
}
