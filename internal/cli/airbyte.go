package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/airbyte"
	"strm/internal/airbyte/config"
	"strm/internal/airbyte/protocol"
	"strm/internal/builtin"
	"strm/internal/format"
	"strm/internal/objstore/s3"
	"strm/internal/problem"
)

// airbyteMemory is where the garbage collector begins to try hard: a sync of
// many streams stays below half a gigabyte.
const airbyteMemory = 384 << 20

// airbyte is a destination of the Airbyte protocol. It needs no server.
func (a *app) airbyte() *cobra.Command {
	g := a.group("airbyte", "Be an Airbyte destination: spec, check and write", a.airbyteSpec(), a.airbyteCheck(), a.airbyteWrite())
	g.Long = `Be a destination of the Airbyte protocol: records come in on standard input, one
JSON message a line, and become files in an S3 bucket. Messages go out on
standard output. It needs no server, and keeps nothing between runs.

The configuration is that of Airbyte's S3 destination, and of Tarsal's;
'strm airbyte spec' has all keys, docs/airbyte.md explains them.`
	return g
}

func (a *app) airbyteSpec() *cobra.Command {
	return &cobra.Command{
		Use: "spec", Short: "Print what the configuration may hold",
		Example: "  strm airbyte spec",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return quiet(a.airbyteOut(cmd).Spec(config.Spec))
		},
	}
}

func (a *app) airbyteCheck() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "check --config FILE", Short: "Test the connection",
		Long: `Test the connection and print one CONNECTION_STATUS message. It writes a small
object named _strm_connection_test; with "check_overwrite": true it also lists,
reads and deletes it. A failed test is an answer: the exit code is 0.`,
		Example: "  strm airbyte check --config config.json",
		Args:    args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := a.airbyteOut(cmd)
			text, err := readInput("--config", file)
			if err != nil {
				return quiet(out.Connection(err))
			}
			return quiet(airbyte.Check(cmd.Context(), text, a.openAirbyte, out))
		},
	}
	c.Flags().StringVar(&file, "config", "", "the configuration, a JSON file")
	_ = c.MarkFlagRequired("config") // the flag is there
	return c
}

func (a *app) airbyteWrite() *cobra.Command {
	var cfg, catalog, state string
	var dry bool
	c := &cobra.Command{
		Use: "write --config FILE --catalog FILE", Short: "Write the records of standard input to the bucket",
		Long: `Write the records that come in on standard input. A state message comes back
once every record before it is in the bucket: a sync that fails goes on from the
last of them.

A stream that is to be replaced (overwrite, or a minimum_generation_id) is
written first; when the source has said COMPLETE, the objects of its older
generations are deleted, but only those that carry this destination's marks.
--dry-run lists them and does nothing else.

SIGTERM ends it in order: uploads under way are finished and acknowledged.`,
		Example: `  source read --config source.json --catalog catalog.json | strm airbyte write --config config.json --catalog catalog.json
  strm airbyte write --config config.json --catalog catalog.json --dry-run`,
		Args: args(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := a.airbyteOut(cmd)
			text, err := readInput("--config", cfg)
			var streams []byte
			if err == nil {
				streams, err = readInput("--catalog", catalog)
			}
			if err != nil {
				return quiet(errors.Join(err, out.Error(protocol.ConfigError, err.Error())))
			}
			if a.env("GOMEMLIMIT") == "" {
				debug.SetMemoryLimit(airbyteMemory)
			}
			if dry {
				return quiet(airbyte.Plan(cmd.Context(), text, streams, a.openAirbyte, out))
			}
			err = airbyte.Write(cmd.Context(), text, streams, cmd.InOrStdin(), a.openAirbyte, out)
			if errors.Is(err, airbyte.ErrTerminated) {
				return &terminatedError{err}
			}
			return quiet(err)
		},
	}
	c.Flags().StringVar(&cfg, "config", "", "the configuration, a JSON file")
	c.Flags().StringVar(&catalog, "catalog", "", "the configured catalog, a JSON file")
	c.Flags().StringVar(&state, "state", "", "accepted for the protocol's sake; the state is the source's business")
	c.Flags().BoolVar(&dry, "dry-run", false, "list the objects that a complete sync would delete, and do nothing else")
	_ = c.MarkFlagRequired("config") // the flag is there
	_ = c.MarkFlagRequired("catalog")
	return c
}

// quiet hides an error that a message has told: standard error would tell it
// twice.
func quiet(err error) error {
	if err == nil {
		return nil
	}
	return &quietError{}
}

// terminatedError ends the process as the signal that asked for it would have.
type terminatedError struct{ err error }

// Error returns the text of the error inside.
func (e *terminatedError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *terminatedError) Unwrap() error { return e.err }

func (a *app) airbyteOut(cmd *cobra.Command) *protocol.Writer {
	return protocol.NewWriter(cmd.OutOrStdout(), time.Now)
}

func readInput(flag, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, problem.New(problem.Invalid, "%s: %w", flag, err)
	}
	return text, nil
}

// openAirbyte opens what a configuration names: an S3 bucket and a format.
func (a *app) openAirbyte(ctx context.Context, c *config.Config) (*airbyte.Deps, error) {
	f, err := builtin.Format(c.Output.Format)
	if err != nil {
		return nil, err
	}
	rows, ok := f.(format.RowFormat)
	if !ok {
		return nil, problem.New(problem.Invalid, "format %s cannot be written row by row", f.Name())
	}
	o := s3.Config{
		Bucket: c.Bucket, Endpoint: c.Endpoint, Region: c.Region, PathStyle: c.Endpoint != "",
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Ambient: c.AccessKeyID == "", Session: "strm-airbyte",
	}
	if c.RoleARN != "" {
		o.Role = s3.Role{ARN: c.RoleARN, ExternalID: cmp.Or(c.ExternalID, a.env("AWS_ASSUME_ROLE_EXTERNAL_ID"))}
	}
	b, err := s3.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	return &airbyte.Deps{Bucket: b, Format: rows, Close: b.Close, TempDir: a.env("TMPDIR")}, nil
}
