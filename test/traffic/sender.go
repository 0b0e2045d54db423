package traffic

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"strm/test/harness"
)

// Sender makes batches for one stream and sends each until it is acknowledged,
// or, on purpose, only once.
type Sender struct {
	In    *harness.Intake
	Rng   *rand.Rand
	Log   *Log
	Stop  <-chan struct{} // closed when no new batch shall begin
	Tally *Tally

	Plain    bool          // without idempotency keys
	Patience time.Duration // of one try; 0: 10s
	Pause    time.Duration // at most between two batches; 0: 100ms
}

// Tally counts what the senders did.
type Tally struct {
	Requests, Retries, Repeats, GivenUp atomic.Int64
	Longest                             atomic.Int64 // nanoseconds from a request's first try to its acknowledgement
}

func (t *Tally) took(d time.Duration) {
	for {
		old := t.Longest.Load()
		if int64(d) <= old || t.Longest.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// Run sends until stop is closed, then finishes its last batch. It fails only
// where the server says something it must not say.
func (s *Sender) Run(ctx context.Context) error {
	for seq := 0; ; seq++ {
		select {
		case <-s.Stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if err := s.one(ctx, fmt.Sprintf("crash-%d-%d", s.Log.Sender, seq)); err != nil {
			return fmt.Errorf("sender %d: %w", s.Log.Sender, err)
		}
		Wait(ctx, time.Duration(s.Rng.Int64N(int64(cmp.Or(s.Pause, 100*time.Millisecond)))))
	}
}

// one makes and sends one batch.
func (s *Sender) one(ctx context.Context, idem string) error {
	b := Batch{First: s.Log.Total(), Count: s.size()}
	req, err := s.request(b, idem)
	if err != nil {
		return err
	}
	short := time.Duration(1+s.Rng.IntN(15)) * time.Millisecond
	if s.Plain {
		b.Plain = true
		err := s.plain(ctx, req, &b, short)
		s.Log.Batches = append(s.Log.Batches, b)
		return err
	}
	switch s.Rng.IntN(10) {
	case 0: // sent twice, one after the other
		if _, err = s.until(ctx, req, b.Count); err == nil {
			s.Tally.Repeats.Add(1)
			_, err = s.until(ctx, req, b.Count)
		}
		b.Acked = true
	case 1: // sent twice at once
		s.Tally.Repeats.Add(1)
		var g errgroup.Group
		for range 2 {
			g.Go(func() error {
				_, err := s.until(ctx, req, b.Count)
				return err
			})
		}
		err = g.Wait()
		b.Acked = true
	case 2, 3: // the answer is not waited for, then asked for again
		s.once(ctx, req, short)
		s.Tally.Repeats.Add(1)
		_, err = s.until(ctx, req, b.Count)
		b.Acked = true
	case 4: // given up after one try
		b.Acked = s.once(ctx, req, short)
		if !b.Acked {
			s.Tally.GivenUp.Add(1)
		}
	default:
		_, err = s.until(ctx, req, b.Count)
		b.Acked = true
	}
	if err != nil {
		b.Acked = false
	}
	s.Log.Batches = append(s.Log.Batches, b)
	return err
}

// plain sends a batch without a key: given up at times, else until it is
// acknowledged.
func (s *Sender) plain(ctx context.Context, req harness.Request, b *Batch, short time.Duration) error {
	req.Idempotency = ""
	switch s.Rng.IntN(6) {
	case 0: // given up after one try
		if b.Acked = s.once(ctx, req, short); !b.Acked {
			s.Tally.GivenUp.Add(1)
		}
		return nil
	case 1: // the answer is not waited for
		if b.Acked = s.once(ctx, req, short); b.Acked {
			return nil
		}
		b.Unknown++
	}
	unknown, err := s.until(ctx, req, b.Count)
	b.Unknown += unknown
	b.Acked = err == nil
	return err
}

// size draws a number of events, 1 to 200, small ones more often.
func (s *Sender) size() int64 {
	if s.Rng.IntN(4) == 0 {
		return 1 + s.Rng.Int64N(200)
	}
	return 1 + s.Rng.Int64N(30)
}

// request encodes a batch as NDJSON, an array or calls, plain or gzip.
func (s *Sender) request(b Batch, idem string) (harness.Request, error) {
	req := harness.Request{Idempotency: idem, ContentType: "application/x-ndjson"}
	if s.In.Segment {
		req = harness.Request{ContentType: "application/json", Body: appendCalls(nil, s.calls(b))}
	} else {
		s.events(&req, b)
	}
	if s.Rng.IntN(3) == 0 {
		zipped, err := pack(req.Body)
		if err != nil {
			return req, err
		}
		req.Body, req.Encoding = zipped, "gzip"
	}
	return req, nil
}

func (s *Sender) events(req *harness.Request, b Batch) {
	array := s.Rng.IntN(4) == 0
	if array {
		req.ContentType = "application/json"
		req.Body = append(req.Body, '[')
	}
	for n := b.First; n < b.First+b.Count; n++ {
		if n > b.First {
			req.Body = append(req.Body, map[bool]byte{true: ',', false: '\n'}[array])
		}
		req.Body = AppendEvent(req.Body, EventID{s.Log.Sender, n})
	}
	if array {
		req.Body = append(req.Body, ']')
	}
}

// calls returns the batch's events, and now and then some that were acknowledged
// before: an SDK that lost an answer puts old and new calls into one request.
func (s *Sender) calls(b Batch) []EventID {
	var ids []EventID
	if n := len(s.Log.Batches); n > 0 && s.Rng.IntN(4) == 0 {
		if old := s.Log.Batches[s.Rng.IntN(n)]; old.Acked {
			for i := range 1 + s.Rng.Int64N(old.Count) {
				ids = append(ids, EventID{s.Log.Sender, old.First + i})
			}
		}
	}
	for n := b.First; n < b.First+b.Count; n++ {
		ids = append(ids, EventID{s.Log.Sender, n})
	}
	s.Rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// once sends a request a single time with little patience and reports whether
// it was acknowledged.
func (s *Sender) once(ctx context.Context, req harness.Request, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.Tally.Requests.Add(1)
	a, err := s.In.Post(ctx, req)
	return err == nil && a.Acknowledged()
}

// until sends a request until it is acknowledged, through restarts. It returns
// how many tries may have stored it without saying so.
func (s *Sender) until(ctx context.Context, req harness.Request, count int64) (unknown int, err error) {
	began := time.Now()
	for try := 0; ; try++ {
		s.Tally.Requests.Add(1)
		tctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Patience, 10*time.Second))
		a, err := s.In.Post(tctx, req)
		cancel()
		switch {
		case ctx.Err() != nil:
			return unknown, ctx.Err()
		case err != nil: // no answer, or none that can be read
			unknown++
		case a.Acknowledged():
			if a.Accepted != count && !s.In.Segment {
				return unknown, fmt.Errorf("request %s with %d events: answer %q", req.Idempotency, count, a.Body)
			}
			s.Tally.took(time.Since(began))
			return unknown, nil
		case a.Status == http.StatusTooManyRequests: // certainly not stored
		case mayRetry(a.Status):
			unknown++
		default:
			return unknown, fmt.Errorf("request %s was refused: HTTP %d: %s", req.Idempotency, a.Status, a.Body)
		}
		s.Tally.Retries.Add(1)
		Wait(ctx, time.Duration(min(5*(try+1), 100))*time.Millisecond)
	}
}

// mayRetry reports whether a status asks for another try. Everything else is
// final, and wrong: the requests are good.
func mayRetry(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusConflict, http.StatusRequestTimeout:
		return true
	}
	return false
}

func pack(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, 1)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(body)
	if err := errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Wait waits, but no longer than ctx.
func Wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
