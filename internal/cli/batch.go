package cli

import (
	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) listBatches() *cobra.Command {
	var q apiclient.BatchQuery
	c := &cobra.Command{
		Use: "batches EXPORTER", Aliases: []string{"batch"}, Short: "List the batches of a batch exporter, newest first",
		Example: `  strm list batches s3-demo -o table
  strm list batches s3-demo --state done --limit 10 -o json`,
		Args: args(1, 1, "one EXPORTER"), ValidArgsFunction: a.names(1, exporterNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 0 || q.Before < 0 {
				return usagef("--limit and --before must not be negative")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			page, err := s.Batches(s.ctx, args[0], q)
			if err != nil {
				return err
			}
			return s.print(render.Batches(page.Batches, page.Next))
		},
	}
	c.Flags().IntVar(&q.Limit, "limit", 0, "at most this many (default 100)")
	c.Flags().Int64Var(&q.Before, "before", 0, "only batches with a lower number, to read on")
	c.Flags().StringVar(&q.State, "state", "", "only batches in this state: planned, attempted, done or abandoned")
	c.Flags().StringVar(&q.Replay, "replay", "", "only the batches of this replay")
	complete(c, "state", string(stream.BatchPlanned), string(stream.BatchAttempted), string(stream.BatchDone), string(stream.BatchAbandoned))
	return c
}

func (a *app) getBatch() *cobra.Command {
	return &cobra.Command{
		Use: "batch ID...", Aliases: []string{"batches"}, Short: "Show batches: ranges, objects, counts, checksums, attempts, times",
		Example: `  strm get batch 5f0e12ab-000001`,
		Args:    args(1, -1, "at least one ID"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.each(func(s *session, id string) error {
			b, err := s.Batch(s.ctx, id)
			if err != nil {
				return err
			}
			return s.print(render.Batch(b))
		}),
	}
}
