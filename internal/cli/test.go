package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
)

func (a *app) testSink() *cobra.Command {
	var prefix string
	c := &cobra.Command{
		Use: "sink NAME...", Aliases: []string{"sinks"}, Short: "Try at once whether sinks can be written to",
		Long: `Try at once whether sinks can be written to, by creating a validation object
(.strm_test_*) in the bucket: under --path-prefix, else where the sink's first
batch exporter writes, else under the sink's own prefix. Exits with 1 and the
step that fails: credentials, connection, role, bucket, region or put. The
outcome is remembered as the sink's health.`,
		Example: `  strm test sink s3
  strm test sink s3 --path-prefix events -o json`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, sinkNames),
		RunE: a.each(func(s *session, name string) error {
			out, err := s.TestSink(s.ctx, name, prefix)
			if err != nil {
				return err
			}
			if err := s.print(render.SinkTest(out)); err != nil {
				return err
			}
			if out.OK {
				return nil
			}
			return fmt.Errorf("sink %s cannot be written to. Step %s: %s", name, out.Health.Step, out.Health.Reason)
		}),
	}
	c.Flags().StringVar(&prefix, "path-prefix", "", "write the validation object under this prefix below the sink's own")
	complete(c, "path-prefix")
	return c
}

// warnOfSink tells what is wrong with a sink that was stored.
func warnOfSink(cmd *cobra.Command, s apiv1.Sink) {
	if s.Warning != "" {
		warn(cmd, "Warning: %s", s.Warning)
	}
	if s.Health != nil && s.Health.Step != "" {
		hint := ""
		if s.Health.Step == "put" {
			hint = " (where permissions are for a prefix, strm test sink " + s.Name + " --path-prefix PREFIX tries that one)"
		}
		warn(cmd, "Warning: the sink is stored, but cannot be written to. Step %s: %s%s", s.Health.Step, s.Health.Reason, hint)
	}
}
