package stream

import "time"

// Node is one process of an installation that several share. The instants are
// by the clock of their catalog's database.
type Node struct {
	ID         string // made up at each start
	Name       string // for people: where it listens
	Version    string
	StartedAt  time.Time
	LeaseUntil time.Time
	Alive      bool
}
