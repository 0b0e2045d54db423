package server

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"time"

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

// Config sets up a server. The zero value of each field, but for Data, is good.
type Config struct {
	Data    string // directory of all state; made if absent, with mode 0700
	Listen  string // address; DefaultListen if empty
	TLSCert string // PEM files; both or none
	TLSKey  string

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
func (c *Config) sealPath() string    { return filepath.Join(c.Data, "seal.keys") }
func (c *Config) tokenPath() string   { return filepath.Join(c.Data, "admin.token") }
