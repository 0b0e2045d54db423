package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) createSource() *cobra.Command {
	var in apiv1.CreateSource
	var dedup string
	var split splitFlags
	c := &cobra.Command{
		Use: "source NAME --stream STREAM", Aliases: []string{"sources"}, Short: "Create a source: a write key for one stream",
		Long: `Create a source, a way into one stream. The answer carries its write key, which
is shown this once and kept nowhere: the server has only a hash of it.

A source of kind segment takes what Segment's SDKs send. It has its stream to
itself; the stream is made if it is not there, without strmMeta, and has the
source's name unless --stream is given. To move a site without touching its
code, give the source the write key it uses, and the source id its files have.

A source of kind split takes what SDKs of Split (Harness FME) send: it is one
environment, with the SDK key as write key. Impressions go to --stream (default
NAME), events to --events-stream (default NAME-events); the streams are made if
they are not there. The catalogue, --flag and --traffic-type, gives rows their
traffic type id. With --flags the SDKs get their flags from here, too.`,
		Example: `  strm create source web --stream demo
  strm create source web --stream demo | jq -r .writeKey > write.key
  strm create source web --kind segment
  strm create source web --kind segment --write-key WRITE_KEY_IN_USE --source-id 4mKq7ZtRw2VbXc9LsPdE1f
  strm create source prod --kind split --environment ENVIRONMENT_ID --write-key SDK_KEY_IN_USE --traffic-type user=TRAFFIC_TYPE_ID --flag checkout=user
  strm create source prod --kind split --environment ENVIRONMENT_ID --flags flags.json --traffic-type user=TRAFFIC_TYPE_ID`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Stream == "" && in.Kind == string(stream.SourceEvents) { // of other kinds the server knows
				return usagef("--stream is needed: the stream that the source writes to")
			}
			if cmd.Flags().Changed("dedup-window") {
				age, err := parseAge(dedup)
				if err != nil {
					return err
				}
				in.Dedup = &age
			}
			if cmd.Flags().Changed("write-key") && in.WriteKey == "" {
				return usagef("--write-key is empty; leave it out to have one made up")
			}
			var err error
			if in.Split, err = split.settings(cmd); err != nil {
				return err
			}
			if in.Kind == string(stream.SourceSplit) && split.environment == "" {
				return usagef("--environment is needed: the environment id that is in every row")
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
			switch {
			case len(out.NewStreams) > 0:
				warn(cmd, "Made for the source: stream %s.", strings.Join(out.NewStreams, ", stream "))
			case out.NewStream:
				warn(cmd, "Stream %s was made for the source.", out.Stream)
			}
			return s.print(render.Source(out))
		},
	}
	c.Flags().StringVar(&in.Stream, "stream", "", "the stream that the source writes to (kinds segment and split: default NAME)")
	c.Flags().StringVar(&in.Kind, "kind", string(stream.SourceEvents), "what the source speaks: events, segment or split")
	c.Flags().StringVar(&in.SourceID, "source-id", "", "kind segment: the id in the names of its files and in their lines, 1 to 64 of A-Z a-z 0-9 - _ (default made up)")
	c.Flags().StringVar(&in.WriteKey, "write-key", "", "kinds segment and split: take this write key, 8 to 255 visible ASCII characters without ':' (default made up)")
	c.Flags().StringVar(&dedup, "dedup-window", "", "kind segment: for how long the same messageId counts once (24h, 7d; 0 for no de-duplication; default 24h)")
	split.add(a, c, false)
	completeWith(c, "stream", a.names(-1, streamNames))
	complete(c, "kind", string(stream.SourceEvents), string(stream.SourceSegment), string(stream.SourceSplit))
	complete(c, "dedup-window", "24h", "7d", "0")
	for _, free := range []string{"source-id", "write-key"} {
		complete(c, free)
	}
	return c
}

func (a *app) updateSource() *cobra.Command {
	var in apiv1.UpdateSource
	var dedup string
	var split splitFlags
	c := &cobra.Command{
		Use: "source NAME", Aliases: []string{"sources"}, Short: "Change a source's settings or write key",
		Long: `Change a source. A new write key is shown this once; the old one is refused from
then on. Of a source of kind split, what --traffic-type, --flag and --catalogue
say is added to its catalogue, or changes it; SDKs see other --flags when they
next ask. Streams that are named must exist.`,
		Example: `  strm update source web --rotate-write-key
  strm update source web --dedup-window 7d
  strm update source prod --flag new-checkout=user --flag old-checkout=
  strm update source prod --flags flags.json`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, sourceNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if in.Split, err = split.settings(cmd); err != nil {
				return err
			}
			switch fl := cmd.Flags(); {
			case fl.Changed("write-key") && in.WriteKey == "":
				return usagef("--write-key is empty; --rotate-write-key makes one up")
			case fl.Changed("dedup-window"):
				age, err := parseAge(dedup)
				if err != nil {
					return err
				}
				in.Dedup = &age
			case in.WriteKey == "" && !in.RotateKey && in.Split == nil:
				return usagef("nothing to change: give --dedup-window, --rotate-write-key, --write-key, or what is to change of a source of kind split")
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
	c.Flags().StringVar(&in.WriteKey, "write-key", "", "kinds segment and split: take this write key, 8 to 255 visible ASCII characters without ':'")
	split.add(a, c, true)
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
				if of == "" || slices.Contains(streamsOf(x), of) {
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
