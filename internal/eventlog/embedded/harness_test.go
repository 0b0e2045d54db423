package embedded_test

import (
	"flag"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/eventlog/eventlogtest"
)

func TestMain(m *testing.M) {
	// Before the flags are parsed, so that the command line has the last word.
	if err := flag.Set("rapid.checks", rapidChecks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	eventlogtest.Run(t, eventlogtest.Harness{New: func(t *testing.T) eventlogtest.Store { return newMemStore(t) }})
}

var quiet = slog.New(slog.DiscardHandler)

// memStore is a machine with a file system that keeps, in a crash, only what was
// synced, or that and a random part of the rest.
type memStore struct {
	fs   *vfs.MemFS
	log  *embedded.Log
	rng  *rand.Rand
	free atomic.Int64
	time atomic.Int64 // ms beside the real clock
}

func newMemStore(t *testing.T) *memStore {
	s := &memStore{fs: vfs.NewCrashableMem(), rng: rand.New(rand.NewPCG(7, 11))}
	s.free.Store(1 << 40)
	t.Cleanup(func() {
		if s.log != nil {
			_ = s.log.Close()
		}
	})
	return s
}

func (s *memStore) options() embedded.Options {
	return embedded.Options{
		Logger:    quiet,
		FS:        s.fs,
		FreeBytes: func(string) (int64, error) { return s.free.Load(), nil },
		Now:       func() time.Time { return time.Now().Add(time.Duration(s.time.Load()) * time.Millisecond) },
	}
}

func (s *memStore) Open() (eventlog.Log, error) {
	l, err := embedded.Open("/data/log", s.options())
	if err != nil {
		return nil, err
	}
	s.log = l
	return l, nil
}

func (s *memStore) Crash() {
	cfg := vfs.CrashCloneCfg{}
	if s.rng.IntN(2) == 0 {
		cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: s.rng.IntN(101), RNG: s.rng}
	}
	s.fs = s.fs.CrashClone(cfg)
	_ = s.log.Close() // on the file system of before; nobody looks at it again
}

func (s *memStore) Full(full bool) {
	s.free.Store(1 << 40)
	if full {
		s.free.Store(1)
	}
	s.time.Add(1000)
}
