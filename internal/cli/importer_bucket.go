package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
	"strm/internal/stream"
)

// bucketFlags describe the sink that create makes, instead of --sink.
type bucketFlags struct {
	bucket string
	sink   sinkFlags
}

func (f *bucketFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.bucket, "bucket", "", "instead of --sink: make a sink of the importer's name for this bucket")
	c.Flags().StringVar(&f.sink.credentials, "credentials-file", "", "with --bucket: `FILE` with the credentials; - for standard input. Without it the server's own identity is used")
	c.Flags().StringVar(&f.sink.region, "region", "", "with --bucket: its region; found by itself when left out")
	c.Flags().StringVar(&f.sink.endpoint, "endpoint", "", "with --bucket: address of an S3-compatible store")
	c.Flags().BoolVar(&f.sink.pathStyle, "path-style", false, "with --bucket: put its name into the path, not the host name")
	c.Flags().StringVar(&f.sink.role, "role-arn", "", "with --bucket: assume this IAM role (arn:aws:iam::123456789012:role/NAME)")
	c.Flags().StringVar(&f.sink.role, "role", "", "the same as --role-arn, which sinks have")
	_ = c.Flags().MarkHidden("role") // the flag exists
	c.Flags().StringVar(&f.sink.externalID, "external-id", "", "with --bucket: the external id that the role's trust policy asks for")
	c.Flags().StringVar(&f.sink.sts, "sts-endpoint", "", "with --bucket: address of STS; else --endpoint, else AWS's own")
	c.Flags().StringVar(&f.sink.encryption, "encryption", "", "with --bucket: ask for this encryption of the reports: none, SSE-S3 or SSE-KMS")
	c.Flags().StringVar(&f.sink.kmsKey, "kms-key", "", "with --bucket: id, ARN or alias of the key for SSE-KMS")
	complete(c, "encryption", "none", "SSE-S3", "SSE-KMS")
	for _, free := range []string{"bucket", "region", "endpoint", "role-arn", "external-id", "sts-endpoint", "kms-key"} {
		complete(c, free)
	}
	_ = c.MarkFlagFilename("credentials-file", "json") // the flag exists
	c.MarkFlagsMutuallyExclusive("sink", "bucket")
	c.MarkFlagsMutuallyExclusive("role", "role-arn")
}

// check refuses settings of a bucket that is not given.
func (f *bucketFlags) check(cmd *cobra.Command) error {
	if f.bucket != "" {
		return nil
	}
	if cmd.Flags().Changed("bucket") {
		return usagef("--bucket is empty")
	}
	for _, flag := range []string{"credentials-file", "region", "endpoint", "path-style", "role", "role-arn", "external-id", "sts-endpoint", "encryption", "kms-key"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s belongs to --bucket; a sink that exists is changed with strm update sink", flag)
		}
	}
	return nil
}

// make creates the sink. isNew is false if there was one of that name for the
// same place: that of a creation whose answer was lost, or that went no further.
func (f *bucketFlags) make(cmd *cobra.Command, s *session, name, folder string) (isNew bool, err error) {
	if strings.Contains(f.bucket, "/") {
		return false, usagef("--bucket %s: give the bucket's name alone, and --prefix and --status-folder for places in it", f.bucket)
	}
	// A sink is tried with an empty object below its prefix, so let that be the
	// one folder that may be written to.
	in, err := f.sink.body(cmd, f.bucket+"/"+strings.Trim(folder, "/"))
	if err != nil {
		return false, err
	}
	in.Type = string(stream.SinkS3)
	switch was, err := s.Sink(s.ctx, name); {
	case problem.KindOf(err) == problem.NotFound:
		isNew = true
	case err != nil:
		return false, err
	case placeOf(was) != in.Bucket:
		return false, usagef("there is a sink %s for another place, %s: name a sink with --sink, or choose another NAME", name, placeOf(was))
	}
	out, err := s.PutSink(s.ctx, name, in)
	if err != nil {
		return false, err
	}
	warnOfSink(cmd, out)
	return isNew, nil
}

// create makes the importer, and with --bucket its sink before it. If the
// importer is refused, a new sink goes again; whatever else happens, doing it
// all again takes the sink that is there.
func (f *bucketFlags) create(cmd *cobra.Command, s *session, in apiv1.CreateImporter) (apiv1.Importer, error) {
	if f.bucket == "" {
		return s.CreateImporter(s.ctx, in)
	}
	isNew, err := f.make(cmd, s, in.Name, in.StatusFolder)
	if err != nil {
		return apiv1.Importer{}, err
	}
	in.Sink = in.Name
	out, err := s.CreateImporter(s.ctx, in)
	switch kind := problem.KindOf(err); {
	case err == nil:
		if isNew {
			warn(cmd, "Sink %s was made for the bucket.", in.Name)
		}
	case isNew && (kind == problem.Invalid || kind == problem.Conflict):
		err = errors.Join(err, s.DeleteSink(s.ctx, in.Name, false))
	}
	return out, err
}
