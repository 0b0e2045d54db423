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
			out, err := s.flush(args[0], wait, limit)
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
// limit has passed, or a whole round has changed nothing in a state that waits
// for a person.
func (s *session) flush(name string, wait bool, limit time.Duration) (apiv1.Flush, error) {
	if !wait {
		return s.Flush(s.ctx, name, 0, "")
	}
	end := time.Now().Add(limit)
	token := ""
	for {
		left := time.Until(end)
		out, err := s.Flush(s.ctx, name, min(max(left, time.Millisecond), flushRound).Round(time.Millisecond), token)
		if err != nil {
			return out, err
		}
		stuck := out.Status.State == stateBlocked || out.Status.State == statePaused
		if out.Done || stuck || time.Until(end) <= 0 {
			return out, nil
		}
		token = out.Token
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
