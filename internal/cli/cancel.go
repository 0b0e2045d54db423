package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) cancelReplay() *cobra.Command {
	return &cobra.Command{
		Use: "replay EXPORTER REPLAY-ID", Short: "Give up what is unfinished of a replay",
		Long: `Give up what is unfinished of a replay: its batches are abandoned, and the stream
need not keep its events for them any more. What it has delivered stays in the
bucket. "strm replay" shows the id, and so does "strm list batches".`,
		Example: "  strm cancel replay s3-demo replay-1a2b3c4d",
		Args:    args(2, 2, "an EXPORTER and a REPLAY-ID"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, start string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 {
				return a.names(1, exporterNames)(cmd, given, start)
			}
			return a.names(2, func(ctx context.Context, c *apiclient.Client) ([]string, error) {
				return unfinishedReplays(ctx, c, given[0])
			})(cmd, given, start)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.CancelReplay(s.ctx, args[0], args[1])
			if err != nil {
				return err
			}
			return s.print(render.Cancelled(args[0], args[1], out))
		},
	}
}

// unfinishedReplays lists the replays of an exporter that have batches to deliver.
func unfinishedReplays(ctx context.Context, c *apiclient.Client, exporter string) ([]string, error) {
	var ids []string
	for _, state := range []stream.BatchState{stream.BatchPlanned, stream.BatchAttempted} {
		page, err := c.Batches(ctx, exporter, apiclient.BatchQuery{State: string(state)})
		if err != nil {
			return nil, err
		}
		for i := range page.Batches {
			if id := page.Batches[i].Replay; id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids, nil
}
