package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/test/harness"
)

// keyEnv carries the write key to the client process, which keeps it out of
// the list of processes.
const keyEnv = "BENCH_WRITE_KEY"

// sentReport is what the client process prints.
type sentReport struct {
	Events  int           `json:"events"`
	Bytes   int64         `json:"bytes"`
	Took    time.Duration `json:"took"` // first send to last acknowledgement
	P50     time.Duration `json:"p50"`  // of the acknowledgements
	P99     time.Duration `json:"p99"`
	Slowest time.Duration `json:"slowest"`
	Busy    int           `json:"busy"` // answers 429 or 503, sent again
}

func clientMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("client", flag.ExitOnError)
	file := fs.String("file", "", "NDJSON file")
	url := fs.String("url", "", "base URL of the server")
	stream := fs.String("stream", "", "stream")
	conns := fs.Int("conns", 8, "connections")
	batch := fs.Int("batch", 100, "events per request")
	segment := fs.Bool("segment", false, "send Segment track calls around the events")
	idem := fs.String("idempotency", "", "prefix of the Idempotency-Key; empty for none")
	if err := fs.Parse(args); err != nil {
		return err
	}
	f, err := os.Open(*file)
	if err != nil {
		return err
	}
	in := &harness.Intake{Server: *url, Stream: *stream, Key: os.Getenv(keyEnv), Segment: *segment,
		Client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: *conns, MaxIdleConnsPerHost: *conns, DisableCompression: true}}}
	rep, err := send(ctx, in, f, *conns, *batch, *idem)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(rep)
}

// parcel is one request body.
type parcel struct {
	n     int
	count int
	body  []byte
}

// send posts the whole input in batches and waits for every acknowledgement.
func send(ctx context.Context, in *harness.Intake, src io.Reader, conns, batch int, idem string) (sentReport, error) {
	began := time.Now()
	work := make(chan parcel, conns)
	free := make(chan []byte, 2*conns)
	took := make([][]time.Duration, conns)
	reports := make([]sentReport, conns)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(work)
		return cutUp(ctx, src, batch, in.Segment, free, work)
	})
	for i := range conns {
		g.Go(func() error {
			for p := range work {
				t := time.Now()
				busy, err := deliver(ctx, in, p, idem)
				reports[i].Busy += busy
				if err != nil {
					return err
				}
				took[i] = append(took[i], time.Since(t))
				reports[i].Events += p.count
				reports[i].Bytes += int64(len(p.body))
				select {
				case free <- p.body:
				default:
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return sentReport{}, err
	}
	rep := sentReport{Took: time.Since(began)}
	for _, r := range reports {
		rep.Events += r.Events
		rep.Bytes += r.Bytes
		rep.Busy += r.Busy
	}
	if all := slices.Sorted(slices.Values(slices.Concat(took...))); len(all) > 0 {
		rep.P50, rep.P99, rep.Slowest = all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	}
	return rep, nil
}

// cutUp reads lines and puts them together to bodies.
func cutUp(ctx context.Context, src io.Reader, batch int, calls bool, free <-chan []byte, work chan<- parcel) error {
	r := bufio.NewReaderSize(src, 1<<20)
	for n := 0; ; n++ {
		p := parcel{n: n}
		select {
		case p.body = <-free:
			p.body = p.body[:0]
		default:
		}
		done := false
		for p.count < batch && !done {
			line, err := r.ReadSlice('\n')
			switch {
			case err == nil:
				if calls {
					p.body = appendCall(p.body, line, p.count)
				} else {
					p.body = append(p.body, line...)
				}
				p.count++
			case errors.Is(err, io.EOF):
				done = true
			default:
				return err
			}
		}
		if calls {
			p.body = append(p.body, callsEnd...)
		}
		if p.count > 0 {
			select {
			case work <- p:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if done {
			return nil
		}
	}
}

const (
	callsEnd = `],"context":{"library":{"name":"bench","version":"1.0.0"}},"sentAt":"2026-03-26T09:00:00.000Z"}`
	// idFrom and idTo enclose the id that an event begins with (generator.append).
	idFrom, idTo = len(`{"eventId":"`), len(`{"eventId":"`) + 36
)

// appendCall wraps an event into a track call, as number n of its request.
func appendCall(b, line []byte, n int) []byte {
	if n == 0 {
		b = append(b, `{"batch":[`...)
	} else {
		b = append(b, ',')
	}
	b = append(append(b, `{"type":"track","event":"Viewed","anonymousId":"a1","timestamp":"2026-03-26T08:59:59.750Z","messageId":"`...), line[idFrom:idTo]...)
	b = append(append(b, `","properties":`...), line[:len(line)-1]...)
	return append(b, '}')
}

// deliver posts one body until it is acknowledged, with patience for
// back-pressure and none for anything else.
func deliver(ctx context.Context, in *harness.Intake, p parcel, idem string) (busy int, err error) {
	req := harness.Request{Body: p.body}
	if idem != "" {
		req.Idempotency = fmt.Sprintf("%s-%d", idem, p.n)
	}
	for {
		a, err := in.Post(ctx, req)
		switch {
		case err != nil:
			return busy, err
		case a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable:
			busy++
			t := time.NewTimer(20 * time.Millisecond)
			select {
			case <-t.C:
			case <-ctx.Done():
				return busy, ctx.Err()
			}
		case !a.Acknowledged() || !in.Segment && a.Accepted != int64(p.count):
			return busy, fmt.Errorf("request %d with %d events: HTTP %d: %s", p.n, p.count, a.Status, bytes.TrimSpace([]byte(a.Body)))
		default:
			return busy, nil
		}
	}
}
