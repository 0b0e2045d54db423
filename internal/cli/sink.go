package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
	"strm/internal/problem"
	"strm/internal/stream"
)

// sinkFlags are the settings of a sink that create and update share.
type sinkFlags struct {
	credentials, kind, endpoint, region string
	pathStyle                           bool
	role, externalID, sts               string
	encryption, kmsKey                  string
	keep                                bool // the credentials that the sink has
}

func (f *sinkFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.credentials, "credentials-file", "", "`FILE` with the credentials, as aws iam create-access-key or Google Cloud writes it; - for standard input. Without it the server's own identity is used")
	c.Flags().StringVar(&f.kind, "sink-type", "", "S3, GCLOUD or DIR; told from the credentials file when left out")
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "address of an S3-compatible store (http://127.0.0.1:9000)")
	c.Flags().StringVar(&f.region, "region", "", "the bucket's region; found by itself when left out")
	c.Flags().BoolVar(&f.pathStyle, "path-style", false, "put the bucket's name into the path, not the host name")
	c.Flags().StringVar(&f.role, "role-arn", "", "assume this IAM role before writing (arn:aws:iam::123456789012:role/NAME)")
	c.Flags().StringVar(&f.externalID, "external-id", "", "the external id that the role's trust policy asks for")
	c.Flags().StringVar(&f.sts, "sts-endpoint", "", "address of STS; else --endpoint, else AWS's own")
	c.Flags().StringVar(&f.encryption, "encryption", "", "header that asks for encryption at rest: none, SSE-S3 or SSE-KMS; empty: SSE-S3 for layout segment, none for the others")
	c.Flags().StringVar(&f.kmsKey, "kms-key", "", "id, ARN or alias of the key for SSE-KMS; else the account's own key for S3")
	complete(c, "sink-type", sinkTypes()...)
	complete(c, "encryption", "none", "SSE-S3", "SSE-KMS")
	for _, free := range []string{"role-arn", "external-id", "sts-endpoint", "kms-key"} {
		complete(c, free)
	}
	_ = c.MarkFlagFilename("credentials-file", "json") // the flag exists
}

// maxCredentials bounds a credentials file; real ones have a few KiB.
const maxCredentials = 1 << 20

// readCredentials returns the file's text, which is not looked at here.
func readCredentials(cmd *cobra.Command, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	r := cmd.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", problem.New(problem.Invalid, "credentials file: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxCredentials+1))
	if err != nil {
		return "", problem.New(problem.Invalid, "credentials file: %w", err)
	}
	if len(b) > maxCredentials {
		return "", problem.New(problem.Invalid, "credentials file %s is over %d bytes: that is no credentials file", path, maxCredentials)
	}
	if strings.TrimSpace(string(b)) == "" {
		return "", problem.New(problem.Invalid, "credentials file %s is empty", path)
	}
	return string(b), nil
}

// body returns the request that the flags describe.
func (f *sinkFlags) body(cmd *cobra.Command, bucket string) (apiv1.PutSink, error) {
	kind := strings.ToUpper(f.kind)
	if kind == string(stream.SinkDir) {
		abs, err := filepath.Abs(bucket)
		if err != nil {
			return apiv1.PutSink{}, problem.New(problem.Invalid, "directory %s: %w", bucket, err)
		}
		bucket = abs
	}
	cred, err := readCredentials(cmd, f.credentials)
	if err != nil {
		return apiv1.PutSink{}, err
	}
	return apiv1.PutSink{
		Type: kind, Bucket: bucket, Credentials: cred, KeepCredentials: f.keep, Endpoint: f.endpoint, Region: f.region, PathStyle: f.pathStyle,
		RoleARN: f.role, ExternalID: f.externalID, STSEndpoint: f.sts, Encryption: f.encryption, KMSKey: f.kmsKey,
	}, nil
}

func (a *app) createSink() *cobra.Command {
	var f sinkFlags
	c := &cobra.Command{
		Use: "sink NAME BUCKET", Aliases: []string{"sinks"}, Short: "Create a sink, or replace its settings",
		Long: `Create a sink: a bucket and the credentials to write to it. The type (S3 or
Google Cloud Storage) is told from the credentials file. What follows the first
slash of BUCKET comes before the path prefix of every batch exporter. Creating a
sink again replaces its settings and credentials; its batch exporters stay and
use the new ones. Credentials are never shown again.

The sink is tried at once. If that fails it is stored all the same, with a
warning that names the step; strm test sink tries it again.

With --role-arn the credentials assume that role, which then writes. strm policy
prints the policies that the role, the bucket and the key need.`,
		Example: `  strm create sink s3 my-bucket --credentials-file s3.json
  strm create sink s3 my-bucket/path/prefix --role-arn arn:aws:iam::123456789012:role/strm --external-id my-workspace
  strm create sink minio my-bucket --credentials-file s3.json --endpoint http://127.0.0.1:9000 --path-style
  strm create sink disk /srv/events --sink-type DIR`,
		Args: args(2, 2, "NAME and BUCKET"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			in, err := f.body(cmd, args[1])
			if err != nil {
				return err
			}
			return a.putSink(cmd, s, args[0], in)
		},
	}
	f.add(c)
	return c
}

func (a *app) putSink(cmd *cobra.Command, s *session, name string, in apiv1.PutSink) error {
	out, err := s.PutSink(s.ctx, name, in)
	if err != nil {
		return err
	}
	warnOfSink(cmd, out)
	return s.print(render.Sink(s.inst, out))
}

func (a *app) updateSink() *cobra.Command {
	var f sinkFlags
	var ambient bool
	c := &cobra.Command{
		Use: "sink NAME [BUCKET]", Aliases: []string{"sinks"}, Short: "Change some settings of a sink",
		Long: `Change some settings of a sink; the others stay, its credentials too, unless
it goes to another endpoint. An empty value ("") takes a setting back.`,
		Example: `  strm update sink s3 --credentials-file new-key.json
  strm update sink s3 --encryption SSE-S3
  strm update sink s3 other-bucket --region eu-west-1`,
		Args: args(1, 2, "NAME and perhaps BUCKET"), ValidArgsFunction: a.names(1, sinkNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			some := len(args) > 1
			cmd.LocalNonPersistentFlags().VisitAll(func(fl *pflag.Flag) { some = some || fl.Changed })
			if !some {
				return usagef("nothing to change: give a BUCKET or one of the settings")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			was, err := s.Sink(s.ctx, args[0])
			if err != nil {
				return err
			}
			f.keep = f.credentials == "" && !ambient && was.Type != string(stream.SinkDir)
			bucket := placeOf(was)
			moved := false
			if len(args) > 1 {
				moved, bucket = args[1] != bucket, args[1]
			}
			f.fill(cmd, was, moved)
			in, err := f.body(cmd, bucket)
			if err != nil {
				return err
			}
			return a.putSink(cmd, s, args[0], in)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&ambient, "ambient", false, "use the server's own identity from now on")
	c.MarkFlagsMutuallyExclusive("ambient", "credentials-file")
	return c
}

// placeOf is the BUCKET of a sink that exists.
func placeOf(s apiv1.Sink) string {
	if s.Prefix == "" {
		return s.Bucket
	}
	return s.Bucket + "/" + s.Prefix
}

// fill takes what was not given from the sink as it was. What only means
// something together goes together.
func (f *sinkFlags) fill(cmd *cobra.Command, was apiv1.Sink, moved bool) {
	given := cmd.Flags().Changed
	keep := func(flag string, field *string, old string) {
		if !given(flag) {
			*field = old
		}
	}
	keep("endpoint", &f.endpoint, was.Endpoint)
	if !moved {
		keep("region", &f.region, was.Region)
	}
	if !given("path-style") {
		f.pathStyle = was.PathStyle
	}
	if f.credentials == "" {
		keep("sink-type", &f.kind, was.Type)
	}
	keep("role-arn", &f.role, was.RoleARN)
	if f.role != "" {
		keep("external-id", &f.externalID, was.ExternalID)
		keep("sts-endpoint", &f.sts, was.STSEndpoint)
	}
	keep("encryption", &f.encryption, was.Encryption)
	if strings.EqualFold(f.encryption, was.Encryption) {
		keep("kms-key", &f.kmsKey, was.KMSKey)
	}
}

func (a *app) listSinks() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "sinks", Aliases: []string{"sink"}, Short: "List sinks",
		Example: `  strm list sinks
  strm list sinks --recursive -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Sinks(s.ctx)
			if err != nil {
				return err
			}
			if deep {
				if err := s.sinkDependents(list); err != nil {
					return err
				}
			}
			return s.print(render.Sinks(s.inst, list))
		},
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also show the batch exporters of each sink")
	return c
}

func (a *app) getSink() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "sink NAME...", Aliases: []string{"sinks"}, Short: "Show sinks, without their credentials",
		Example: `  strm get sink s3
  strm get sink s3 --recursive`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, sinkNames),
		RunE: a.each(func(s *session, name string) error {
			one, err := s.Sink(s.ctx, name)
			if err != nil {
				return err
			}
			list := []apiv1.Sink{one}
			if deep {
				if err := s.sinkDependents(list); err != nil {
					return err
				}
			}
			return s.print(render.SinkTree(s.inst, list[0]))
		}),
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also show the sink's batch exporters")
	return c
}

func (a *app) deleteSink() *cobra.Command {
	var deep bool
	c := &cobra.Command{
		Use: "sink NAME...", Aliases: []string{"sinks"}, Short: "Delete sinks",
		Long: `Delete sinks. A sink with batch exporters or batch importers is refused unless
--recursive is given, which deletes them first; files that wait to be imported or
reported are given up then. Objects in the bucket stay.`,
		Example: `  strm delete sink s3
  strm delete sink s3 --recursive`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, sinkNames),
		RunE: a.each(func(s *session, name string) error {
			if err := s.DeleteSink(s.ctx, name, deep); err != nil {
				return fmt.Errorf("%w%s", err, recursiveHint(err, deep))
			}
			return s.print(render.Deleted("Sink", deep))
		}),
	}
	c.Flags().BoolVarP(&deep, "recursive", "r", false, "also delete the sink's batch exporters and batch importers")
	return c
}

// recursiveHint tells of --recursive where the server refuses because of
// dependents.
func recursiveHint(err error, deep bool) string {
	if !deep && problem.KindOf(err) == problem.Conflict {
		return " (--recursive deletes them too)"
	}
	return ""
}

// sinkDependents fills in the exporters of sinks.
func (s *session) sinkDependents(list []apiv1.Sink) error {
	exporters, err := s.Exporters(s.ctx, "")
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Exporters = nil
		for _, e := range exporters {
			if e.Sink == list[i].Name {
				list[i].Exporters = append(list[i].Exporters, e)
			}
		}
	}
	return nil
}
