package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"strm/internal/objstore"
	"strm/internal/objstore/faulty"
	"strm/internal/stream"
)

// script is what a seed decides on before anything runs. Choices that depend on
// how far the run has come are made by rngs of their own, derived from the seed
// and the chooser's name.
type script struct {
	seed    uint64
	length  time.Duration // of the troubled part
	streams []streamScript
	put     float64 // share of puts that meet a fault
	ledger  float64 // share of ledger writes that do
	outages []outage
	full    []window // the log's disk has no room
	kills   float64  // share of lives that end by a crash
}

type streamScript struct {
	partitions int
	retention  stream.Retention
	exporters  int
	producers  int
	quiet      float64 // share of pauses that last for hours
}

// window is a span of simulated time since the run began.
type window struct{ from, to time.Duration }

func (w window) holds(at time.Duration) bool { return at >= w.from && at < w.to }

// outage refuses every put for a while, each in the same way.
type outage struct {
	window
	fault faulty.Fault
}

func (s *script) rng(name string, n int) *rand.Rand {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", name, n) // a hash never fails
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

func newScript(seed uint64) *script {
	s := &script{seed: seed}
	r := s.rng("script", 0)
	s.length = 90*time.Minute + time.Duration(r.Int64N(int64(4*time.Hour)))
	for range 1 + r.IntN(3) {
		st := streamScript{partitions: 1 + r.IntN(4), exporters: 1 + r.IntN(3), producers: 1 + r.IntN(2), quiet: r.Float64() * 0.06}
		switch r.IntN(3) {
		case 0:
			st.retention.MaxAge = time.Duration(5+r.IntN(40)) * time.Minute
		case 1:
			st.retention.MaxBytes = int64(2000 + r.IntN(100_000))
		}
		s.streams = append(s.streams, st)
	}
	s.put = pick(r, 0, 0.05, 0.2, 0.5)
	s.ledger = pick(r, 0, 0.01, 0.05, 0.15)
	s.kills = pick(r, 0.3, 0.7, 0.9)
	for range r.IntN(4) {
		f := pick(r,
			faulty.Fault{Kind: faulty.Refused, Reason: objstore.Denied},
			faulty.Fault{Kind: faulty.Refused, Reason: objstore.BadCredentials},
			faulty.Fault{Kind: faulty.Refused, Reason: objstore.Throttled},
			faulty.Fault{Kind: faulty.RequestLost},
			faulty.Fault{Kind: faulty.NoAnswer},
			faulty.Fault{Kind: faulty.AnswerLost})
		s.outages = append(s.outages, outage{s.window(r, 40*time.Minute), f})
	}
	for range r.IntN(3) {
		s.full = append(s.full, s.window(r, 10*time.Minute))
	}
	return s
}

func (s *script) window(r *rand.Rand, longest time.Duration) window {
	from := time.Duration(r.Int64N(int64(s.length)))
	return window{from, from + time.Duration(r.Int64N(int64(longest)))}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// between returns a time from lo to hi, short ones more often.
func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	x := r.Float64()
	return lo + time.Duration(x*x*x*float64(hi-lo))
}

func randomCut(r *rand.Rand) stream.Cut {
	c := stream.Cut{Interval: pick(r, time.Second, 5*time.Second, 30*time.Second, time.Minute, 10*time.Minute)}
	if r.IntN(3) == 0 {
		c.MaxEvents = 1 + r.Int64N(30)
	}
	if r.IntN(3) == 0 {
		c.MaxBytes = 1 + r.Int64N(5000)
	}
	return c
}

func randomOutput(r *rand.Rand, prefix string) stream.Output {
	return stream.Output{
		PathPrefix: prefix,
		Layout: pick(r, "strm", "hive", "{stream}/{year}/{month}/{day}/{batch}.{ext}", "{date}/{hour}/{partitions}_{batch}.{ext}",
			"{stream_underscored}/{cut_date}_{cut_ms}_0.{ext}", "{stream}/{date}/{cut_ms}_{part}.{ext}"),
		Compression: pick(r, "none", "gzip", "zstd"),
	}
}
