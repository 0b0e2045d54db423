package cli

import (
	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) createSource() *cobra.Command {
	var in apiv1.CreateSource
	var dedup string
	c := &cobra.Command{
		Use: "source NAME --stream STREAM", Aliases: []string{"sources"}, Short: "Create a source: a write key for one stream",
		Long: `Create a source, a way into one stream. The answer carries its write key, which
is shown this once and kept nowhere: the server has only a hash of it.

A source of kind segment takes what Segment's SDKs send. It has its stream to
itself; the stream is made if it is not there, without strmMeta, and has the
source's name unless --stream is given. To move a site without touching its
code, give the source the write key it uses, and the source id its files have.`,
		Example: `  strm create source web --stream demo
  strm create source web --stream demo | jq -r .writeKey > write.key
  strm create source web --kind segment
  strm create source web --kind segment --write-key WRITE_KEY_IN_USE --source-id 4mKq7ZtRw2VbXc9LsPdE1f`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Stream == "" && in.Kind != string(stream.SourceSegment) {
				return usagef("--stream is needed: the stream that the source writes to")
			}
			if cmd.Flags().Changed("dedup-window") {
				age, err := parseAge(dedup)
				if err != nil {
					return err
				}
				in.Dedup = &age
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
			if out.NewStream {
				warn(cmd, "Stream %s was made for the source.", out.Stream)
			}
			return s.print(render.Source(out))
		},
	}
	c.Flags().StringVar(&in.Stream, "stream", "", "the stream that the source writes to (kind segment: default NAME)")
	c.Flags().StringVar(&in.Kind, "kind", string(stream.SourceEvents), "what the source speaks: events or segment")
	c.Flags().StringVar(&in.SourceID, "source-id", "", "kind segment: the id in the names of its files and in their lines, 1 to 64 of A-Z a-z 0-9 - _ (default made up)")
	c.Flags().StringVar(&in.WriteKey, "write-key", "", "kind segment: take this write key, 8 to 255 visible ASCII characters without ':' (default made up)")
	c.Flags().StringVar(&dedup, "dedup-window", "", "kind segment: for how long the same messageId counts once (24h, 7d; 0 for no de-duplication; default 24h)")
	completeWith(c, "stream", a.names(-1, streamNames))
	complete(c, "kind", string(stream.SourceEvents), string(stream.SourceSegment))
	complete(c, "dedup-window", "24h", "7d", "0")
	for _, free := range []string{"source-id", "write-key"} {
		complete(c, free)
	}
	return c
}

func (a *app) updateSource() *cobra.Command {
	var in apiv1.UpdateSource
	var dedup string
	c := &cobra.Command{
		Use: "source NAME", Aliases: []string{"sources"}, Short: "Change a source's write key or dedup window",
		Long: `Change a source. A new write key is shown this once; the old one is refused from
then on.`,
		Example: `  strm update source web --rotate-write-key
  strm update source web --dedup-window 7d`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, sourceNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch fl := cmd.Flags(); {
			case fl.Changed("write-key") && in.WriteKey == "":
				return usagef("--write-key is empty; --rotate-write-key makes one up")
			case fl.Changed("dedup-window"):
				age, err := parseAge(dedup)
				if err != nil {
					return err
				}
				in.Dedup = &age
			case in.WriteKey == "" && !in.RotateKey:
				return usagef("nothing to change: give --dedup-window, --rotate-write-key or --write-key")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.UpdateSource(s.ctx, args[0], in)
			if err != nil {
				return err
			}
			return s.print(render.Source(out))
		},
	}
	c.Flags().StringVar(&dedup, "dedup-window", "", "kind segment: for how long the same messageId counts once (24h, 7d; 0 for no de-duplication)")
	c.Flags().BoolVar(&in.RotateKey, "rotate-write-key", false, "make up another write key")
	c.Flags().StringVar(&in.WriteKey, "write-key", "", "kind segment: take this write key, 8 to 255 visible ASCII characters without ':'")
	c.MarkFlagsMutuallyExclusive("rotate-write-key", "write-key")
	complete(c, "dedup-window", "24h", "7d", "0")
	complete(c, "write-key")
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
