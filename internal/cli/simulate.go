package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/upload"
	"strm/internal/simulate"
)

// simulateFlags are the settings of a simulation.
type simulateFlags struct {
	rate     float64
	count    int64
	duration time.Duration
	seed     uint64
	sessions int
	writeKey string
}

func (f *simulateFlags) add(c *cobra.Command) {
	c.Flags().Int64Var(&f.count, "count", 0, "stop after this many events")
	c.Flags().DurationVar(&f.duration, "duration", 0, "stop after this time")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "the same seed gives the same events (default: a random one)")
	c.Flags().IntVar(&f.sessions, "sessions", 1000, "number of distinct sessions")
	addWriteKey(c, &f.writeKey)
}

func (a *app) simulate() *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use: "simulate STREAM --rate N", Aliases: []string{"sim"}, Short: "Send made-up clickstream events",
		Long: `Send made-up clickstream events at a steady rate until --count or --duration is
reached or the command is interrupted. Every 5 seconds it says how many were
accepted.`,
		Example: `  strm simulate demo --rate 100
  strm simulate demo --rate 1000 --count 10000 --seed 1`,
		Args: args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runSimulation(cmd, args[0], f) },
	}
	c.Flags().Float64Var(&f.rate, "rate", 10, "events per second")
	f.add(c)
	c.AddCommand(a.simulateRandom())
	return c
}

// simulateRandom is generation 2's form.
func (a *app) simulateRandom() *cobra.Command {
	var f simulateFlags
	var interval int
	c := &cobra.Command{
		Use: "random-events STREAM", Aliases: []string{"run-random"}, Short: "Send made-up clickstream events, one every --interval milliseconds",
		Example: `  strm simulate random-events demo
  strm simulate random-events demo --interval 100 --count 50`,
		Args: args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if interval < 1 {
				return usagef("--interval must be at least 1 (milliseconds)")
			}
			f.rate = 1000 / float64(interval)
			return a.runSimulation(cmd, args[0], f)
		},
	}
	c.Flags().IntVar(&interval, "interval", 1000, "milliseconds between events")
	f.add(c)
	return c
}

func (a *app) runSimulation(cmd *cobra.Command, name string, f simulateFlags) error {
	if f.rate <= 0 || f.rate > 1e6 {
		return usagef("--rate must be above 0 and at most 1000000")
	}
	if f.count < 0 || f.duration < 0 || f.sessions < 1 {
		return usagef("--count and --duration must not be negative, and --sessions at least 1")
	}
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return fmt.Errorf("random numbers: %w", err)
	}
	if !cmd.Flags().Changed("seed") {
		f.seed = binary.BigEndian.Uint64(b[16:])
	}
	c, err := a.connect(cmd)
	if err != nil {
		return err
	}
	s := simulation{
		stream: name, writeKey: a.writeKey(f.writeKey), session: hex.EncodeToString(b[:16]),
		rate: f.rate, count: f.count, duration: f.duration,
		events: simulate.New(f.seed, simulate.Options{Sessions: f.sessions}),
		append: c.Append,
		tell: func(n int64) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "Sent %d events\n", n)
			return err
		},
		warn: func(text string) { warn(cmd, "%s", text) },
	}
	return s.run(cmd.Context())
}

// simulation sends events at a rate.
type simulation struct {
	stream, writeKey, session string
	rate                      float64       // events a second
	count                     int64         // 0 for no end
	duration                  time.Duration // 0 for no end
	events                    interface{ Append([]byte) []byte }
	append                    func(context.Context, apiclient.Append) (int64, error)
	tell                      func(sent int64) error
	warn                      func(string)
}

// The rhythm of a simulation.
const (
	simulateBatch = 1000                  // events in a request, at most
	simulateTick  = 50 * time.Millisecond // between requests, at least
	tellEvery     = 5 * time.Second
	retrySimulate = 5 * time.Minute
)

// due returns how many events a simulation owes after elapsed: the first at
// once, the others at the rate.
func (s *simulation) due(elapsed time.Duration, sent int64) int64 {
	n := int64(elapsed.Seconds()*s.rate) + 1 - sent
	if s.count > 0 {
		n = min(n, s.count-sent)
	}
	return max(min(n, simulateBatch), 0)
}

// wait returns how long after elapsed the next event is due.
func (s *simulation) wait(elapsed time.Duration, sent int64) time.Duration {
	next := time.Duration(float64(sent) / s.rate * float64(time.Second))
	return max(next-elapsed, simulateTick)
}

// run sends until the end is reached. Being interrupted is an ordinary end.
func (s *simulation) run(ctx context.Context) error {
	start := time.Now()
	told, sent := start, int64(0)
	var body []byte
	for {
		elapsed := time.Since(start)
		if s.count > 0 && sent >= s.count || s.duration > 0 && elapsed >= s.duration {
			return s.tell(sent)
		}
		if time.Since(told) >= tellEvery {
			told = time.Now()
			if err := s.tell(sent); err != nil {
				return err
			}
		}
		n := s.due(elapsed, sent)
		if n == 0 {
			pause := min(s.wait(elapsed, sent), tellEvery)
			if s.duration > 0 {
				pause = min(pause, s.duration-elapsed)
			}
			if !sleepFor(ctx, pause) {
				return s.tell(sent)
			}
			continue
		}
		body = body[:0]
		for range n {
			body = append(s.events.Append(body), '\n')
		}
		req := apiclient.Append{Stream: s.stream, WriteKey: s.writeKey, IdempotencyKey: s.session + "-" + strconv.FormatInt(sent, 10), Body: body}
		err := upload.Retry(ctx, retrySimulate, func(err error, wait time.Duration) {
			s.warn(fmt.Sprintf("%v; trying again in %s", err, wait.Round(100*time.Millisecond)))
		}, func(ctx context.Context) error {
			_, err := s.append(ctx, req)
			if sent == 0 {
				err = upload.FinalIfRefused(err) // no server at all: say so now
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return s.tell(sent)
		case err != nil:
			return fmt.Errorf("after %d events: %w", sent, err)
		}
		sent += n
	}
}

// sleepFor waits, and reports false when ctx ended first.
func sleepFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
