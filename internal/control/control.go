package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"strm/internal/eventlog"
	"strm/internal/policy"
	"strm/internal/stream"
)

// Options are the server's choices.
type Options struct {
	// AllowShortIntervals lowers the shortest interval from 30 s to 1 s.
	AllowShortIntervals bool
	// ValidateTimeout bounds the validation write when an exporter is created,
	// changed or resumed; 20 s when zero.
	ValidateTimeout time.Duration
	// TestTimeout bounds the trial of a sink when it is saved or tested; 10 s
	// when zero.
	TestTimeout time.Duration
	// FinishTimeout bounds what remains to be done once the catalog has
	// changed, whether or not the caller still listens; 30 s when zero.
	FinishTimeout time.Duration
	// NoticeURL is what the addresses of all notification endpoints begin with;
	// an importer's token follows. It is only a path where the server has no
	// public URL with https, as SNS sends to no other.
	NoticeURL string
}

// Deps is what control works with.
type Deps struct {
	Catalog Catalog
	Log     Log
	// Topics is the same log where streams are Kafka topics; nil for the embedded log.
	Topics eventlog.Topics
	Runner Runner
	Sealer Sealer
	// CheckOutput fills the defaults of an output and refuses what no layout
	// or format can do, and what could make a key too long below the sink's
	// prefix for a stream of this name and number of partitions.
	CheckOutput func(o stream.Output, sinkPrefix, streamName string, partitions int) (stream.Output, error)
	// Writes returns what an exporter with that output puts into a bucket.
	Writes func(o stream.Output) (policy.Keys, error)
	// Trimming is held by whoever trims the log, from reading the exporters'
	// positions until the trim is done. Control holds it from reading where a
	// new exporter starts until the exporter is stored, and from reading what a
	// replay covers until it is planned, so that nothing that will be needed
	// lies below the floor. Nil when nothing trims.
	Trimming Locker
	// Changes orders what is read, decided and written of the configuration. Both locks
	// hold among all nodes. Nil where there is one.
	Changes Locker
	// Shared says that other nodes change the configuration, too.
	Shared bool
	// Node is this process.
	Node stream.Node
	// WakeImporters makes what imports look at the catalog anew; it does not
	// wait. Nil when nothing imports.
	WakeImporters func()
	Options       Options
}

// Control applies changes to the configuration. All methods are safe for
// concurrent use.
type Control struct {
	catalog     Catalog
	log         Log
	topics      eventlog.Topics // nil for the embedded log
	runner      Runner
	sealer      Sealer
	checkOutput func(o stream.Output, sinkPrefix, streamName string, partitions int) (stream.Output, error)
	writes      func(stream.Output) (policy.Keys, error)
	trimming    Locker
	wake        func()
	options     Options
	node        stream.Node
	keys        *Sources

	// change serialises read-modify-write on the catalog. It is never held
	// while a store is asked, but while a topic is made or looked at.
	change Locker
}

// Locker is a lock that somebody may wait for as long as his context.
type Locker interface {
	// Lock returns what gives the lock back. It is for order: a holder that lost it in between
	// is not told.
	Lock(ctx context.Context) (unlock func(), err error)
}

// memoryLock is a Locker of one process.
type memoryLock chan struct{}

func newLock() Locker { return make(memoryLock, 1) }

func (l memoryLock) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// New returns a Control. It starts nothing.
func New(d Deps) *Control {
	if d.Trimming == nil {
		d.Trimming = newLock()
	}
	if d.Changes == nil {
		d.Changes = newLock()
	}
	if d.Options.ValidateTimeout <= 0 {
		d.Options.ValidateTimeout = 20 * time.Second
	}
	if d.Options.TestTimeout <= 0 {
		d.Options.TestTimeout = 10 * time.Second
	}
	if d.Options.FinishTimeout <= 0 {
		d.Options.FinishTimeout = 30 * time.Second
	}
	return &Control{
		catalog:     d.Catalog,
		log:         d.Log,
		topics:      d.Topics,
		runner:      d.Runner,
		sealer:      d.Sealer,
		checkOutput: d.CheckOutput,
		writes:      d.Writes,
		trimming:    d.Trimming,
		wake:        d.WakeImporters,
		options:     d.Options,
		keys:        newSources(d.Catalog, d.Shared),
		change:      d.Changes,
		node:        d.Node,
	}
}

// Installation returns the id of this installation.
func (c *Control) Installation(ctx context.Context) (string, error) {
	return c.catalog.Installation(ctx)
}

// ConfigurationChanged says that somebody has changed the configuration, on
// whichever node: what is remembered of it is read anew when it is next needed.
func (c *Control) ConfigurationChanged() {
	c.keys.invalidate()
	c.wakeImporters()
}

// finishing returns a context for the steps after a change of the catalog:
// they must be done even if the caller has gone.
func (c *Control) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), c.options.FinishTimeout)
}

// newID returns n random bytes in hex.
func newID(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process rather than return an error
	return hex.EncodeToString(b)
}
