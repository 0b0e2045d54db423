package exporter

import (
	"time"

	"strm/internal/stream"
)

// The states an exporter can be in, as people read them.
const (
	StateRunning  = "running"
	StateRetrying = "retrying" // trouble that may mend itself; NextRetryAt says when it is tried again
	StateBlocked  = "blocked"  // waits for a person; tried again slowly all the same
	StatePaused   = "paused"
)

// Status is how an exporter fares now.
type Status struct {
	State          string
	Reason         string
	Since          time.Time // of the present trouble; zero when there is none
	NextRetryAt    time.Time // zero when no retry is scheduled
	LastDeliveryAt time.Time // zero when nothing was delivered since the start of the process
	Waiting        int64     // events accepted and not yet delivered
	Delivered      stream.Position
}

// Replay says what a replay has planned.
type Replay struct {
	ID      string
	Events  int64
	Batches []string // batch ids, in order
}

// Verification is the outcome of comparing a bucket with the ledger.
type Verification struct {
	OK                              bool
	Batches, Objects, Events, Bytes int64
	Read                            int64  // objects fetched and compared
	NotRead                         string // why objects were not read; empty when all were
	Differences                     []Difference
}

// Difference is one thing that is not as the ledger says.
type Difference struct {
	Batch, Key, What string
}
