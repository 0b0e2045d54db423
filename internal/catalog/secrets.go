package catalog

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"strm/internal/problem"
)

// Names of rows in meta.
const (
	metaSealKeys   = "seal_keys"   // JSON ["fingerprint",...], sorted
	metaAdminToken = "admin_token" // fingerprint
)

// AgreeOnKeys compares the fingerprints of a node's sealing keys with those of
// the nodes before it, and adds what is new. Kind Conflict if one is missing:
// the node could not open what another sealed. A key is added, and never taken
// away: nodes get the longer file one after the other.
func (db *DB) AgreeOnKeys(ctx context.Context, prints []string) error {
	return db.change(ctx, "compare the sealing keys", func(ctx context.Context, t tx) error {
		text, err := t.meta(ctx, metaSealKeys, "[]")
		if err != nil {
			return err
		}
		var known []string
		if err := json.Unmarshal([]byte(text), &known); err != nil {
			return problem.New(problem.Corrupt, "meta %s: %w", metaSealKeys, err)
		}
		for _, k := range known {
			if !slices.Contains(prints, k) {
				id, _, _ := strings.Cut(k, ":")
				return problem.New(problem.Conflict, "the key file of this node lacks the key %s, which other nodes of this installation have: "+
					"give every node the same secrets", id)
			}
		}
		all := slices.Clone(prints)
		slices.Sort(all)
		if slices.Equal(all, known) {
			return nil
		}
		b, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return t.setMeta(ctx, metaSealKeys, string(b))
	})
}

// AgreeOnToken compares the fingerprint of a node's admin token with that of the
// nodes that live. Kind Conflict if they have another. Where no other lives, this
// one becomes the installation's: so a token is changed while all nodes are down.
func (db *DB) AgreeOnToken(ctx context.Context, node, print string) error {
	return db.change(ctx, "compare the admin token", func(ctx context.Context, t tx) error {
		known, err := t.meta(ctx, metaAdminToken, "")
		if err != nil || known == print {
			return err
		}
		if known != "" {
			others, err := t.othersAlive(ctx, node)
			if err != nil {
				return err
			}
			if others > 0 {
				return problem.New(problem.Conflict, "the admin token of this node is not that of the %d nodes that run: give every node the same secrets; "+
					"to change the token, stop all nodes first", others)
			}
		}
		return t.setMeta(ctx, metaAdminToken, print)
	})
}

// meta returns a value of meta and keeps the row until the transaction ends. A
// row that is not there is made.
func (t tx) meta(ctx context.Context, name, otherwise string) (string, error) {
	if _, err := t.exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, otherwise); err != nil {
		return "", err
	}
	v, _, err := one(ctx, t, scanText, `SELECT value FROM meta WHERE name = $1`+t.db.dialect.Lock, name)
	return v, err
}

func (t tx) setMeta(ctx context.Context, name, value string) error {
	_, err := t.exec(ctx, `UPDATE meta SET value = $1 WHERE name = $2`, value, name)
	return err
}

// othersAlive counts the nodes that live, but for the one named.
func (t tx) othersAlive(ctx context.Context, node string) (int64, error) {
	n, _, err := one(ctx, t, scanInt, `SELECT count(*) FROM node n WHERE n.id <> $1 AND `+sqlLives, node)
	return n, err
}
