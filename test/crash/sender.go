package main

import (
	"bytes"
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

// sender makes batches for one stream and sends each until it is acknowledged,
// or, on purpose, only once.
type sender struct {
	in    *harness.Intake
	rng   *rand.Rand
	log   *sentLog
	stop  <-chan struct{} // closed when no new batch shall begin
	tally *tally
}

// tally counts what the senders did.
type tally struct {
	requests, retries, repeats, givenUp atomic.Int64
}

// run sends until stop is closed, then finishes its last batch. It fails only
// where the server says something it must not say.
func (s *sender) run(ctx context.Context) error {
	for seq := 0; ; seq++ {
		select {
		case <-s.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if err := s.one(ctx, fmt.Sprintf("crash-%d-%d", s.log.sender, seq)); err != nil {
			return fmt.Errorf("sender %d: %w", s.log.sender, err)
		}
		wait(ctx, time.Duration(s.rng.IntN(100))*time.Millisecond)
	}
}

// one makes and sends one batch.
func (s *sender) one(ctx context.Context, idem string) error {
	b := sentBatch{first: s.log.total(), count: s.size()}
	req, err := s.request(b, idem)
	if err != nil {
		return err
	}
	short := time.Duration(1+s.rng.IntN(15)) * time.Millisecond
	switch s.rng.IntN(10) {
	case 0: // sent twice, one after the other
		if err = s.until(ctx, req, b.count); err == nil {
			s.tally.repeats.Add(1)
			err = s.until(ctx, req, b.count)
		}
		b.acked = true
	case 1: // sent twice at once
		s.tally.repeats.Add(1)
		var g errgroup.Group
		for range 2 {
			g.Go(func() error { return s.until(ctx, req, b.count) })
		}
		err = g.Wait()
		b.acked = true
	case 2, 3: // the answer is not waited for, then asked for again
		s.once(ctx, req, short)
		s.tally.repeats.Add(1)
		err = s.until(ctx, req, b.count)
		b.acked = true
	case 4: // given up after one try
		b.acked = s.once(ctx, req, short)
		if !b.acked {
			s.tally.givenUp.Add(1)
		}
	default:
		err = s.until(ctx, req, b.count)
		b.acked = true
	}
	if err != nil {
		b.acked = false
	}
	s.log.batches = append(s.log.batches, b)
	return err
}

// size draws a number of events, 1 to 200, small ones more often.
func (s *sender) size() int64 {
	if s.rng.IntN(4) == 0 {
		return 1 + s.rng.Int64N(200)
	}
	return 1 + s.rng.Int64N(30)
}

// request encodes a batch as NDJSON, an array or calls, plain or gzip.
func (s *sender) request(b sentBatch, idem string) (harness.Request, error) {
	req := harness.Request{Idempotency: idem, ContentType: "application/x-ndjson"}
	if s.in.Segment {
		req = harness.Request{ContentType: "application/json", Body: appendCalls(nil, s.calls(b))}
	} else {
		s.events(&req, b)
	}
	if s.rng.IntN(3) == 0 {
		zipped, err := pack(req.Body)
		if err != nil {
			return req, err
		}
		req.Body, req.Encoding = zipped, "gzip"
	}
	return req, nil
}

func (s *sender) events(req *harness.Request, b sentBatch) {
	array := s.rng.IntN(4) == 0
	if array {
		req.ContentType = "application/json"
		req.Body = append(req.Body, '[')
	}
	for n := b.first; n < b.first+b.count; n++ {
		if n > b.first {
			req.Body = append(req.Body, map[bool]byte{true: ',', false: '\n'}[array])
		}
		req.Body = appendEvent(req.Body, eventID{s.log.sender, n})
	}
	if array {
		req.Body = append(req.Body, ']')
	}
}

// calls returns the batch's events, and now and then some that were acknowledged
// before: an SDK that lost an answer puts old and new calls into one request.
func (s *sender) calls(b sentBatch) []eventID {
	var ids []eventID
	if n := len(s.log.batches); n > 0 && s.rng.IntN(4) == 0 {
		if old := s.log.batches[s.rng.IntN(n)]; old.acked {
			for i := range 1 + s.rng.Int64N(old.count) {
				ids = append(ids, eventID{s.log.sender, old.first + i})
			}
		}
	}
	for n := b.first; n < b.first+b.count; n++ {
		ids = append(ids, eventID{s.log.sender, n})
	}
	s.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// once sends a request a single time with little patience and reports whether
// it was acknowledged.
func (s *sender) once(ctx context.Context, req harness.Request, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.tally.requests.Add(1)
	a, err := s.in.Post(ctx, req)
	return err == nil && a.Acknowledged()
}

// until sends a request until it is acknowledged, through restarts.
func (s *sender) until(ctx context.Context, req harness.Request, count int64) error {
	for try := 0; ; try++ {
		s.tally.requests.Add(1)
		tctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		a, err := s.in.Post(tctx, req)
		cancel()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil: // no answer, or none that can be read
		case a.Acknowledged():
			if a.Accepted != count && !s.in.Segment {
				return fmt.Errorf("request %s with %d events: answer %q", req.Idempotency, count, a.Body)
			}
			return nil
		case mayRetry(a.Status):
		default:
			return fmt.Errorf("request %s was refused: HTTP %d: %s", req.Idempotency, a.Status, a.Body)
		}
		s.tally.retries.Add(1)
		wait(ctx, time.Duration(min(5*(try+1), 100))*time.Millisecond)
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

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
