package server

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

	"strm/internal/catalog"
	"strm/internal/exporter"
	"strm/internal/importer"
	"strm/internal/problem"
)

// DefaultListen is where a server listens until told otherwise.
const DefaultListen = "127.0.0.1:7766"

// MinFreeDisk is the least reserve: the engine preallocates and flushes that much.
const MinFreeDisk = 128 << 20

// MinIdempotencyWindow is the least time for which keys may be remembered:
// below it no sender could find out that an answer was lost and send again.
const MinIdempotencyWindow = time.Minute

// MinSinkCheckInterval is the shortest time after which sinks are tried again,
// unless short intervals are allowed.
const MinSinkCheckInterval = time.Minute

// What holds until told otherwise, and the least lease: below it a pause of the
// process, such as any machine has, would look like its end.
const (
	DefaultLease        = 15 * time.Second
	MinLease            = 3 * time.Second
	DefaultStartTimeout = time.Minute
)

// Config sets up a server. The zero value of each field, but for Data, is good.
type Config struct {
	Data    string // directory of all state that is this machine's; made if absent, with mode 0700
	Listen  string // address; DefaultListen if empty
	TLSCert string // PEM files; both or none
	TLSKey  string

	// For several nodes. Both URLs empty: everything is in Data, and this is the only node.
	Log            string        // kafka://broker,...; empty for the log in Data
	Catalog        string        // postgres://...; empty for the one in Data
	KafkaPassword  string        // if Log has none
	Secrets        string        // directory of the admin token and the seal keys; Data if empty
	NodeName       string        // for people; host and port if empty
	Lease          time.Duration // after which others take over from a node that is silent; 15 s if 0
	StartTimeout   time.Duration // how long to wait for Kafka and PostgreSQL at the start; 60 s if 0, not at all if negative
	SchemaRegistry string        // URL of a Confluent-compatible schema registry; none if empty
	RegistryKey    string        // password of the user in SchemaRegistry

	AllowShortIntervals bool          // intervals down to 1 s, for tests and demonstrations
	MaxBody             int64         // bytes of one intake request, decompressed; 16 MiB if 0
	MaxEvent            int           // bytes of one event; 1 MiB if 0
	LogMaxBytes         int64         // packed bytes of the whole log; no bound if 0
	MinFreeDisk         int64         // bytes that stay free on the disk; 1 GiB if 0, no such rule if negative
	IdempotencyWindow   time.Duration // how long keys are remembered, MinIdempotencyWindow or more; 24 h if 0
	Grace               time.Duration // for work under way when stopping; 10 s if 0
	Backoff             exporter.Backoff
	ImportBackoff       importer.Backoff
	SinkCheckInterval   time.Duration // sinks of which nothing was heard for so long are tried; 1 h if 0, never if negative

	// For sources of kind segment.
	PublicURL              string         // where browsers and phones reach the server; what a request was sent to if empty
	AnalyticsJS            string         // directory of the npm package @segment/analytics-next, or its dist/umd; none if empty
	TrustedProxies         []netip.Prefix // whose X-Forwarded-For, -Proto and -Host count, or Forwarded
	SegmentWriteKeyInLines bool           // lines have the write key

	Version string
	Logger  *slog.Logger
}

func (c *Config) setDefaults() {
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.IdempotencyWindow == 0 {
		c.IdempotencyWindow = 24 * time.Hour
	}
	if c.SinkCheckInterval == 0 {
		c.SinkCheckInterval = time.Hour
	}
	if c.Secrets == "" {
		c.Secrets = c.Data
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = DefaultStartTimeout
	}
	if c.Grace <= 0 {
		c.Grace = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
}

// check refuses settings that cannot work. Kind Invalid.
func (c *Config) check() error {
	if c.Data == "" {
		return problem.New(problem.Invalid, "name a directory for the server's state (--data DIR)")
	}
	if c.Lease < MinLease {
		return problem.New(problem.Invalid, "a lease of %s is too short: use %s or more (--lease)", c.Lease, MinLease)
	}
	if c.Lease > catalog.MaxLease {
		return problem.New(problem.Invalid, "with a lease of %s a dead node would hold its work up for as long: use %s or less (--lease)", c.Lease, catalog.MaxLease)
	}
	if c.Catalog != "" && c.Log == "" {
		return problem.New(problem.Invalid, "a catalog in PostgreSQL needs a log that all its nodes reach: give --log kafka://... too. "+
			"The log in %s is this machine's alone, and so is the catalog that belongs to it", c.Data)
	}
	if c.SchemaRegistry != "" && c.Log == "" {
		return problem.New(problem.Invalid, "a schema registry is for topics: give --log kafka://... too")
	}
	if c.MinFreeDisk > 0 && c.MinFreeDisk < MinFreeDisk {
		return problem.New(problem.Invalid, "a reserve of %d bytes does not protect the log's own files: keep at least %d free (--min-free-disk 128MiB), or 0 for no reserve", c.MinFreeDisk, MinFreeDisk)
	}
	if c.IdempotencyWindow < MinIdempotencyWindow {
		return problem.New(problem.Invalid, "the idempotency window is %s: use %s or more", c.IdempotencyWindow, MinIdempotencyWindow)
	}
	if n := c.SinkCheckInterval; n > 0 && n < MinSinkCheckInterval && (!c.AllowShortIntervals || n < time.Second) {
		return problem.New(problem.Invalid, "sinks cannot be tried every %s: use %s or more, or 0 for never (--sink-check-interval)", n, MinSinkCheckInterval)
	}
	return nil
}

// The files below Config.Data.
func (c *Config) logDir() string      { return filepath.Join(c.Data, "log") }
func (c *Config) catalogPath() string { return filepath.Join(c.Data, "catalog.db") }
func (c *Config) spoolDir() string    { return filepath.Join(c.Data, "spool") }
func (c *Config) lockPath() string    { return filepath.Join(c.Data, "lock") }
