package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) replay() *cobra.Command {
	var in apiv1.Replay
	var from, to string
	var wait bool
	var limit time.Duration
	c := &cobra.Command{
		Use: "replay EXPORTER --into PREFIX", Short: "Deliver past events once more, into another prefix",
		Long: `Deliver past events once more, into another prefix of the same bucket. What was
delivered before stays as it is.`,
		Example: `  strm replay s3-demo --into again --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z
  strm replay s3-demo --into again --wait`,
		Args: args(1, 1, "one EXPORTER"), ValidArgsFunction: a.names(1, exporterNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Into == "" {
				return usagef("--into is needed: the path prefix that the events are written under")
			}
			var err error
			if from != "" {
				if in.From, err = parseTime(from); err != nil {
					return err
				}
			}
			if to != "" {
				if in.To, err = parseTime(to); err != nil {
					return err
				}
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.Replay(s.ctx, args[0], in)
			if err != nil {
				return err
			}
			if err := s.print(render.Replayed(args[0], in.Into, out)); err != nil {
				return err
			}
			if !wait || len(out.Batches) == 0 {
				return nil
			}
			return s.awaitReplay(args[0], out.Replay, limit)
		},
	}
	c.Flags().StringVar(&in.Into, "into", "", "path prefix that the events are written under")
	c.Flags().StringVar(&from, "from", "", "only events received from this time on")
	c.Flags().StringVar(&to, "to", "", "only events received before this time")
	c.Flags().BoolVar(&wait, "wait", false, "wait until everything is in the bucket")
	c.Flags().DurationVar(&limit, "timeout", 30*time.Minute, "how long to wait at most")
	for _, f := range []string{"into", "from", "to"} {
		complete(c, f)
	}
	return c
}

// pollEvery is how often a replay is looked at.
const pollEvery = 500 * time.Millisecond

// awaitReplay waits until no batch of the replay is unfinished.
func (s *session) awaitReplay(name, id string, limit time.Duration) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		b, err := s.unfinishedOf(name, id)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		if b.Blocked {
			return fmt.Errorf("batch %s of the replay is blocked: %s. It is tried again by itself once that is mended", b.ID, b.Problem)
		}
		select {
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-end.C:
			return fmt.Errorf("the replay is not done after %s; batch %s is %s (%s)", limit, b.ID, b.State, b.Problem)
		case <-tick.C:
		}
	}
	gone, err := s.Batches(s.ctx, name, apiclient.BatchQuery{Limit: 1, State: string(stream.BatchAbandoned), Replay: id})
	if err != nil {
		return err
	}
	if len(gone.Batches) > 0 {
		return fmt.Errorf("the replay was given up: batch %s is abandoned", gone.Batches[0].ID)
	}
	return nil
}

// unfinishedOf returns an unfinished batch of the replay, nil if there is none.
// Batches go from planned to attempted, so planned ones are asked for first:
// none can slip through between the two questions.
func (s *session) unfinishedOf(name, id string) (*apiv1.Batch, error) {
	for _, state := range []stream.BatchState{stream.BatchPlanned, stream.BatchAttempted} {
		page, err := s.Batches(s.ctx, name, apiclient.BatchQuery{Limit: 1, State: string(state), Replay: id})
		if err != nil {
			return nil, err
		}
		if len(page.Batches) > 0 {
			return &page.Batches[0], nil
		}
	}
	return nil, nil
}
