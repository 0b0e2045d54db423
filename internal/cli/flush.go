package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/problem"
)

// flushRound is how long the server holds one request while it waits. Short
// enough for proxies, long enough to cost nothing.
const flushRound = 30 * time.Second

func (a *app) flush() *cobra.Command {
	var wait bool
	var limit time.Duration
	c := &cobra.Command{
		Use: "flush EXPORTER", Short: "Deliver everything that waits, now",
		Long: `Deliver everything that waits, now. With --wait the command ends once every
event that had been accepted when it began is in the bucket; it exits with 1 if
that does not happen in time, or cannot happen without somebody's help.`,
		Example: `  strm flush s3-demo
  strm flush s3-demo --wait --timeout 2m`,
		Args: args(1, 1, "one EXPORTER"), ValidArgsFunction: a.names(1, exporterNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit <= 0 {
				return usagef("--timeout must be above 0")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.flush(cmd, args[0], wait, limit)
			if err != nil {
				return err
			}
			if err := s.print(render.Flushed(args[0], out)); err != nil {
				return err
			}
			if wait && !out.Done {
				return unfinished(args[0], out.Status, limit)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait until everything is in the bucket")
	c.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "how long to wait at most")
	return c
}

// flush begins a flush and, if asked, waits in rounds until it is done, the
// limit has passed, or waiting is of no use: the exporter is paused, or blocked
// and its next try comes too late or has failed too.
func (s *session) flush(cmd *cobra.Command, name string, wait bool, limit time.Duration) (apiv1.Flush, error) {
	if !wait {
		return s.Flush(s.ctx, name, 0, "")
	}
	end := time.Now().Add(limit)
	token := ""
	var try time.Time // the next try of a blocked exporter, as first heard
	for {
		left := time.Until(end)
		out, err := s.Flush(s.ctx, name, min(max(left, time.Millisecond), flushRound).Round(time.Millisecond), token)
		if err != nil || out.Done || time.Until(end) <= 0 {
			return out, err
		}
		token = out.Token
		switch out.Status.State {
		case statePaused:
			return out, nil
		case stateBlocked:
			next := out.Status.NextRetryAt
			if next == nil || next.After(end) || !try.IsZero() && next.After(try) {
				return out, nil
			}
			if try.IsZero() {
				try = *next
				warn(cmd, "batch exporter %s is blocked: %s; waiting for its next try at %s", name, out.Status.Reason, next.UTC().Format(time.RFC3339))
			}
			// The server does not hold the request of a blocked exporter, so wait here.
			if !sleepFor(s.ctx, max(time.Until(*next), time.Second)) {
				return out, s.ctx.Err()
			}
		}
	}
}

// unfinished says why a flush did not end well.
func unfinished(name string, st apiv1.Status, limit time.Duration) error {
	reason := ""
	if st.Reason != "" {
		reason = ": " + st.Reason
	}
	switch st.State {
	case statePaused:
		return problem.New(problem.Conflict, "batch exporter %s is paused, so nothing is delivered: `strm resume %s` lets it go on", name, name)
	case stateBlocked:
		return fmt.Errorf("batch exporter %s is blocked%s. It tries again by itself once that is mended", name, reason)
	}
	return fmt.Errorf("batch exporter %s has not delivered everything after %s; %d events wait (%s%s)", name, limit, st.WaitingEvents, st.State, reason)
}
