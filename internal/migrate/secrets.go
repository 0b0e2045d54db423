package migrate

import (
	"context"
	"path/filepath"

	"strm/internal/problem"
	"strm/internal/secrets"
)

// findSecrets finds the secrets that the node had: in its data directory, or in the one
// that it was given by --secrets, which is the one that nodes are to be given now. A
// directory may hold old ones; those count that open what is sealed in the catalog.
func (m *move) findSecrets(ctx context.Context) error {
	var first error
	for _, dir := range []string{m.Data, m.Secrets} {
		if dir == "" {
			continue
		}
		_, err := secrets.Open(dir, false)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err == nil && m.Opens != nil {
			if err = m.Opens(ctx, dir, m.catalog); err != nil {
				err = problem.New(problem.KindOf(err), "the secrets in %s are not those of this node: %w", dir, err)
			}
		}
		if err == nil {
			m.keys = dir
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return first
	}
	return problem.New(problem.NotFound, "%s holds no %s and %s: name the directory that the node was started with (--secrets DIR)",
		m.Data, secrets.TokenFile, secrets.KeysFile)
}

func (m *move) moveSecrets(context.Context) error {
	if m.Secrets == "" || filepath.Clean(m.Secrets) == filepath.Clean(m.keys) {
		return nil
	}
	if err := secrets.Copy(m.keys, m.Secrets); err != nil {
		return err
	}
	m.Tell("secrets are in %s: give every node a copy", m.Secrets)
	return nil
}

func (m *move) agree(ctx context.Context) error { return m.Agree(ctx, m.keys) }
