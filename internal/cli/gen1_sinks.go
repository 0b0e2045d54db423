package cli

import (
	"encoding/json"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The commands of generation 1 keep their grammar and outputs: noun before
// verb, two-letter options with one dash (see normalise), and JSON that is not
// wrapped. They are thin over the same requests.

func (a *app) gen1Sinks() *cobra.Command {
	return a.group("sinks", "Sinks, in the older form of the commands", a.gen1CreateSink(), a.gen1ListSinks(), a.gen1DeleteSink())
}

// gen1Type reads a type as generation 1 spells it.
func gen1Type(s string) (string, error) {
	t := strings.ToUpper(s)
	switch stream.SinkType(t) {
	case stream.SinkS3, stream.SinkGCS, stream.SinkDir:
		return t, nil
	}
	return "", usagef("sink type %q: use s3 or gcloud", s)
}

func gen1TypeNames() []string { return []string{"s3", "gcloud"} }

func (a *app) gen1CreateSink() *cobra.Command {
	var f sinkFlags
	var bucket, inline string
	c := &cobra.Command{
		Use: "create s3|gcloud NAME --bucket-name BUCKET", Short: "Create a sink, or replace its settings",
		Example: `  strm sinks create s3 s3-export --bucket-name my-bucket --credentials-file s3.json
  strm sinks create s3 s3-export -bn my-bucket -cf s3.json`,
		Args: args(2, 2, "s3 or gcloud, and a NAME"),
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 {
				return gen1TypeNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if bucket == "" {
				return usagef("--bucket-name (-bn) is needed")
			}
			var err error
			if f.kind, err = gen1Type(args[0]); err != nil {
				return err
			}
			in, err := f.body(cmd, bucket)
			if err != nil {
				return err
			}
			if inline != "" {
				if !json.Valid([]byte(inline)) {
					return problem.New(problem.Invalid, "--credentials is not valid JSON; is it quoted for the shell?")
				}
				in.Credentials = inline
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.PutSink(s.ctx, args[1], in)
			if err != nil {
				return err
			}
			warnOfSink(cmd, out)
			return s.print(render.Gen1Sink(out))
		},
	}
	fl := c.Flags()
	fl.StringVar(&bucket, "bucket-name", "", "the bucket (also -bn)")
	fl.StringVarP(&inline, "credentials", "c", "", "the credentials as JSON; better in a file, as other users see command lines")
	fl.StringVar(&f.credentials, "credentials-file", "", "file with the credentials (also -cf)")
	fl.StringVar(&f.endpoint, "endpoint", "", "address of an S3-compatible store")
	fl.StringVar(&f.region, "region", "", "the bucket's region; found by itself when left out")
	fl.BoolVar(&f.pathStyle, "path-style", false, "put the bucket's name into the path, not the host name")
	c.MarkFlagsMutuallyExclusive("credentials", "credentials-file")
	_ = c.MarkFlagFilename("credentials-file", "json") // the flag exists
	return c
}

func (a *app) gen1ListSinks() *cobra.Command {
	var name, kind string
	c := &cobra.Command{
		Use: "list", Short: "List sinks, or show one",
		Example: `  strm sinks list
  strm sinks list -n s3-export -st s3`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			if name == "" {
				list, err := s.Sinks(s.ctx)
				if err != nil {
					return err
				}
				return s.print(render.Gen1Sinks(list))
			}
			out, err := s.sinkOfType(name, kind)
			if err != nil {
				return err
			}
			return s.print(render.Gen1Sink(out))
		},
	}
	c.Flags().StringVarP(&name, "name", "n", "", "show this sink only; with --sink-type")
	c.Flags().StringVar(&kind, "sink-type", "", "its type (also -st); with --name")
	c.MarkFlagsRequiredTogether("name", "sink-type")
	completeWith(c, "name", a.names(-1, sinkNames))
	complete(c, "sink-type", gen1TypeNames()...)
	return c
}

func (a *app) gen1DeleteSink() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME s3|gcloud", Short: "Delete a sink",
		Example: `  strm sinks delete s3-export s3`,
		Args:    args(2, 2, "NAME and type"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 1 {
				return gen1TypeNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return a.names(1, sinkNames)(cmd, given, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			if _, err := s.sinkOfType(args[0], args[1]); err != nil {
				return err
			}
			if err := s.DeleteSink(s.ctx, args[0], false); err != nil {
				return err
			}
			return sayGen1(cmd, render.Gen1Done)
		},
	}
}

// sinkOfType returns a sink, which generation 1 names by name and type.
func (s *session) sinkOfType(name, kind string) (apiv1.Sink, error) {
	t, err := gen1Type(kind)
	if err != nil {
		return apiv1.Sink{}, err
	}
	out, err := s.Sink(s.ctx, name)
	if err == nil && out.Type != t {
		return out, problem.New(problem.NotFound, "there is no sink %s of type %s: it is of type %s", name, strings.ToLower(t), strings.ToLower(out.Type))
	}
	return out, err
}
