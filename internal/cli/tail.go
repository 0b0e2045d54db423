package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
)

func (a *app) tail() *cobra.Command {
	var q apiclient.ReadQuery
	var stay bool
	c := &cobra.Command{
		Use: "tail STREAM", Short: "Print the events of a stream, one a line",
		Long: `Print the events of a stream, one JSON object a line: from now on, unless
--from says otherwise, until interrupted or -n events were printed.`,
		Example: `  strm tail demo
  strm tail demo --from earliest -n 10 --no-follow
  strm tail demo --from 2026-01-31T12:00:00Z --envelope`,
		Args: args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Follow = !stay
			if q.From != "" && q.From != "earliest" && q.From != "latest" {
				t, err := parseTime(q.From)
				if err != nil {
					return usagef("--from %q: write earliest, latest or a time such as 2026-01-31T15:04:05Z", q.From)
				}
				q.From = t.Format("2006-01-02T15:04:05.999999999Z07:00")
			}
			if q.Limit < 0 {
				return usagef("-n must not be negative")
			}
			c, err := a.connect(cmd)
			if err != nil {
				return err
			}
			return printEvents(cmd, c, args[0], q)
		},
	}
	c.Flags().StringVar(&q.From, "from", "", "earliest, latest or a time (default latest, with --no-follow earliest)")
	c.Flags().Int64VarP(&q.Limit, "number", "n", 0, "stop after this many events")
	c.Flags().BoolVar(&stay, "no-follow", false, "stop at the end of the stream")
	c.Flags().IntVar(&q.Partition, "partition", -1, "only this partition")
	c.Flags().BoolVar(&q.Envelope, "envelope", false, "print partition and offset around each event")
	complete(c, "from", "earliest", "latest")
	return c
}

// printEvents copies events until they end or the command is interrupted,
// which is the ordinary end of a followed read.
func printEvents(cmd *cobra.Command, c *apiclient.Client, name string, q apiclient.ReadQuery) (err error) {
	ctx := cmd.Context()
	body, err := c.Read(ctx, name, q)
	if err != nil {
		if ctx.Err() != nil {
			return nil // interrupted before the first event, which is the ordinary end
		}
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	out := &outcome{w: cmd.OutOrStdout()}
	n, err := io.Copy(out, body)
	switch {
	case out.err != nil:
		return out.err
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return &apiclient.UnreachableError{Server: c.Server(), Err: err}
	case q.Follow && q.Limit == 0:
		return surroundings("the server at %s ended the reading after %d bytes (it is stopping, perhaps)", c.Server(), n)
	}
	return nil
}

// outcome remembers whether writing failed, to tell it from reading.
type outcome struct {
	w   io.Writer
	err error
}

// Write writes to the writer below.
func (o *outcome) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.err = err
	}
	return n, err
}
