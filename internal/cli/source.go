package cli

import (
	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) createSource() *cobra.Command {
	var in apiv1.CreateSource
	c := &cobra.Command{
		Use: "source NAME --stream STREAM", Aliases: []string{"sources"}, Short: "Create a source: a write key for one stream",
		Long: `Create a source, a way into one stream. The answer carries its write key, which
is shown this once and kept nowhere: the server has only a hash of it.`,
		Example: `  strm create source web --stream demo
  strm create source web --stream demo | jq -r .writeKey > write.key`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Stream == "" {
				return usagef("--stream is needed: the stream that the source writes to")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			in.Name = args[0]
			out, err := s.CreateSource(s.ctx, in)
			if err != nil {
				return err
			}
			return s.print(render.Source(out))
		},
	}
	c.Flags().StringVar(&in.Stream, "stream", "", "the stream that the source writes to")
	c.Flags().StringVar(&in.Kind, "kind", string(stream.SourceEvents), "what the source speaks")
	completeWith(c, "stream", a.names(-1, streamNames))
	complete(c, "kind", string(stream.SourceEvents))
	return c
}

func (a *app) listSources() *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "sources", Aliases: []string{"source"}, Short: "List sources",
		Example: `  strm list sources
  strm list sources --stream demo -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Sources(s.ctx)
			if err != nil {
				return err
			}
			var out []apiv1.Source
			for _, x := range list {
				if of == "" || x.Stream == of {
					out = append(out, x)
				}
			}
			return s.print(render.Sources(out))
		},
	}
	c.Flags().StringVar(&of, "stream", "", "only the sources of this stream")
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a source")
	completeWith(c, "stream", a.names(-1, streamNames))
	return c
}

func (a *app) getSource() *cobra.Command {
	c := &cobra.Command{
		Use: "source NAME...", Aliases: []string{"sources"}, Short: "Show sources, without their write keys",
		Example: `  strm get source web`,
		Args:    args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, sourceNames),
		RunE: a.each(func(s *session, name string) error {
			out, err := s.Source(s.ctx, name)
			if err != nil {
				return err
			}
			return s.print(render.SourceGot(out))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a source")
	return c
}

func (a *app) deleteSource() *cobra.Command {
	c := &cobra.Command{
		Use: "source NAME...", Aliases: []string{"sources"}, Short: "Delete sources; their write keys stop working",
		Example: `  strm delete source web`,
		Args:    args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, sourceNames),
		RunE: a.each(func(s *session, name string) error {
			if err := s.DeleteSource(s.ctx, name); err != nil {
				return err
			}
			return s.print(render.Deleted("Source", false))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a source")
	return c
}
