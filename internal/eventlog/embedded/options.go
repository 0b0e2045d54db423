package embedded

import (
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options sets up a log. The zero value is good.
type Options struct {
	Logger *slog.Logger // nil: slog.Default()

	// MinFree is the room in bytes that stays free in the file system: below it
	// Append answers ErrFull. 0 means 1 GiB, negative no such limit. It must
	// leave room for the engine's own files, because a write-ahead log that
	// cannot grow ends the process.
	MinFree int64
	// MaxBytes bounds the packed bytes of all events kept, 0 for no bound.
	// Appends that are under way when the bound is reached still go through.
	MaxBytes int64
	// KeyTTL is how long an idempotency key is remembered at least, 0 for 24 h.
	KeyTTL time.Duration

	// FS is the file system, nil for the real one.
	FS vfs.FS
	// FreeBytes returns the bytes that can still be written below dir, nil for
	// what the file system says.
	FreeBytes func(dir string) (int64, error)
	// Now is the clock, nil for time.Now. It ages keys and ids, spaces the looks at
	// free space and stamps entries that carry no received time.
	Now func() time.Time
	// Fatal is called when a write failed in a way after which memory and disk
	// may disagree, and must not return. nil logs the error and ends the process
	// with status 1: started again, the log knows what is stored.
	Fatal func(err error)
}

func (o *Options) setDefaults() {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.MinFree == 0 {
		o.MinFree = 1 << 30
	}
	if o.KeyTTL == 0 {
		o.KeyTTL = 24 * time.Hour
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.FreeBytes == nil {
		fs := o.FS
		o.FreeBytes = func(dir string) (int64, error) {
			u, err := fs.GetDiskUsage(dir)
			return int64(u.AvailBytes), err
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fatal == nil {
		logger := o.Logger
		o.Fatal = func(err error) {
			logger.Error("event log cannot go on; ending the process, a restart recovers what is stored", slog.Any("error", err))
			os.Exit(1)
		}
	}
}

// The engine's settings. A 16 MiB memtable writes as fast as a 64 MiB one and
// keeps the preallocated write-ahead log at a quarter of the size.
const (
	memTableSize = 16 << 20
	cacheSize    = 16 << 20
	separateFrom = 1024 // bytes; values from here on live in blob files and are not rewritten by compactions
)

func engineOptions(o *Options, lock *pebble.Lock) *pebble.Options {
	logger := engineLogger{log: o.Logger.With(slog.String("component", "pebble")), fatal: o.Fatal}
	po := &pebble.Options{
		FS:   o.FS,
		Lock: lock,
		// Pinned, not the newest: a directory's format never goes back, so a
		// rise is a decision of its own.
		FormatMajorVersion: pebble.FormatValueSeparation,
		MemTableSize:       memTableSize,
		CacheSize:          cacheSize,
		// Without it the tombstones of Trim sit in the memtable, and the space
		// of a quiet log never comes back.
		FlushDelayDeleteRange: 2 * time.Second,
		Logger:                logger,
		EventListener: &pebble.EventListener{
			BackgroundError: logger.backgroundError,
			// The default ends the process. A damaged block is an answer to the
			// one who reads it (ErrCorrupt), the rest of the log works on.
			DataCorruption: logger.dataCorruption,
		},
	}
	for i := range po.Levels {
		po.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression } // payloads are gzip already
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)                                         // a new idempotency key is looked up in vain
	}
	po.Experimental.ValueSeparationPolicy = func() pebble.ValueSeparationPolicy {
		return pebble.ValueSeparationPolicy{
			Enabled:               true,
			MinimumSize:           separateFrom,
			MaxBlobReferenceDepth: 10,
			TargetGarbageRatio:    0.2,
		}
	}
	return po
}
