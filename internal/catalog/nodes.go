package catalog

import (
	"context"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// MaxLease is how long a node may live by one Beat. A lease that ends later was
// given before the database's clock was set back, and says nothing.
const MaxLease = time.Minute

// forgetNodes is how long dead nodes are listed.
const forgetNodes = 24 * time.Hour

// sqlLives is the condition under which a row of node n lives.
const sqlLives = `n.lease_until > {now} AND n.lease_until <= {now} + 60000000`

// notOthers is the condition under which a node may take, or speak of, a row
// that has an owner: there is none, it is the node itself, or the owner is dead.
// Where nodes have no rows, nobody is alive.
func notOthers(owner, self string) string {
	return `(` + owner + ` = '' OR ` + owner + ` = ` + self + ` OR NOT EXISTS (SELECT 1 FROM node n WHERE n.id = ` + owner + ` AND ` + sqlLives + `))`
}

const (
	sqlForgetNodes = `DELETE FROM node WHERE id <> $1 AND (lease_until < {now} - CAST($2 AS BIGINT) OR lease_until > {now} + 60000000)`
	sqlBeat        = `INSERT INTO node (id, name, version, started_at, lease_until) VALUES ($1, $2, $3, {now}, {now} + CAST($4 AS BIGINT))
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, lease_until = excluded.lease_until`
	selectNode = `SELECT n.id, n.name, n.version, n.started_at, n.lease_until, ` + sqlLives + ` FROM node n`
	sqlLiving  = selectNode + ` WHERE ` + sqlLives + ` ORDER BY n.id`
	sqlNodes   = selectNode + ` ORDER BY n.started_at, n.id`
)

func scanNode(row scanner) (stream.Node, error) {
	var n stream.Node
	var started, until int64
	err := row.Scan(&n.ID, &n.Name, &n.Version, &started, &until, &n.Alive)
	n.StartedAt, n.LeaseUntil = instant(started), instant(until)
	return n, err
}

// Beat says that the node lives for another lease, by the database's clock, and
// returns all nodes that live, by id. Its first call for an id makes its row. Nodes
// that died long ago are forgotten. Doing it again is harmless; if the answer is lost,
// others may count on the node although it does not know.
func (db *DB) Beat(ctx context.Context, n stream.Node, lease time.Duration) (live []stream.Node, err error) {
	if n.ID == "" {
		return nil, problem.New(problem.Internal, "a node needs an id")
	}
	if lease <= 0 || lease > MaxLease {
		return nil, problem.New(problem.Invalid, "a node's lease of %v: use more than 0 and at most %v", lease, MaxLease)
	}
	err = db.change(ctx, "renew the lease of node "+n.ID, func(ctx context.Context, t tx) (err error) {
		if _, err = t.exec(ctx, sqlForgetNodes, n.ID, forgetNodes.Microseconds()); err != nil {
			return err
		}
		if _, err = t.exec(ctx, sqlBeat, n.ID, n.Name, n.Version, lease.Microseconds()); err != nil {
			return err
		}
		live, err = list(ctx, t, scanNode, sqlLiving)
		return err
	})
	if err != nil {
		return nil, err
	}
	return live, nil
}

// Leave takes a node's row away: whatever it had is free at once. Doing it again
// is harmless.
func (db *DB) Leave(ctx context.Context, id string) error {
	return db.change(ctx, "sign off node "+id, func(ctx context.Context, t tx) error {
		_, err := t.exec(ctx, `DELETE FROM node WHERE id = $1`, id)
		return err
	})
}

// Nodes returns the nodes that live, and those that died within a day without
// signing off, in the order in which they started.
func (db *DB) Nodes(ctx context.Context) ([]stream.Node, error) {
	all, err := list(ctx, db.read, scanNode, db.text(sqlNodes))
	if err != nil {
		return nil, db.fault(ctx, err, "list nodes")
	}
	return all, nil
}
