package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/cli/render"
)

// importerFlags are the settings of an importer that create and update share.
type importerFlags struct {
	sink, prefix, folder, topic, queue, list, report string
	environments, suffixes                           []string
}

func (f *importerFlags) add(a *app, c *cobra.Command) {
	c.Flags().StringVar(&f.sink, "sink", "", "the sink whose bucket is read, and gets the reports (a new importer's default: the only one)")
	c.Flags().StringSliceVar(&f.environments, "environment", nil, "id of an environment whose events are taken; may be given several times, or divided by commas")
	c.Flags().StringVar(&f.prefix, "prefix", "", "only files whose keys begin with this, from the bucket's root (events/)")
	c.Flags().StringSliceVar(&f.suffixes, "suffix", nil, "only files whose keys end in this, without wildcards; may be given several times (a new one's default is .parquet, .parquet.gz, .parquet.bz2, .parquet.snappy, .parquet.lzo)")
	c.Flags().StringVar(&f.folder, "status-folder", "", "where the status reports go, from the bucket's root; files in it are never imported")
	c.Flags().StringVar(&f.topic, "topic-arn", "", "the SNS topic that tells of new files (arn:aws:sns:eu-west-1:123456789012:NAME)")
	c.Flags().StringVar(&f.queue, "queue-url", "", "the SQS queue that tells of new files (https://sqs.eu-west-1.amazonaws.com/123456789012/NAME)")
	c.Flags().StringVar(&f.list, "list-every", "", "look through the bucket for files that no notice told of, this often: from 1m to 24h (a new one's default is 15m)")
	c.Flags().StringVar(&f.report, "report-every", "", "report on files at the latest so long after they were imported: from 1m to 1h (a new one's default is 5m)")
	completeWith(c, "sink", a.names(-1, sinkNames))
	complete(c, "suffix", ".parquet", ".parquet.gz", ".parquet.bz2", ".parquet.snappy", ".parquet.lzo", ".snappy.parquet")
	complete(c, "list-every", "5m", "15m", "1h")
	complete(c, "report-every", "1m", "5m", "15m")
	for _, free := range []string{"environment", "prefix", "status-folder", "topic-arn", "queue-url"} {
		complete(c, free)
	}
}

func (a *app) createImporter() *cobra.Command {
	var f importerFlags
	var b bucketFlags
	var in apiv1.CreateImporter
	c := &cobra.Command{
		Use: "batch-importer NAME", Aliases: []string{"batch-importers"}, Short: "Create a batch importer: event files in S3 become events of a stream",
		Long: `Create a batch importer. It imports Parquet files of events from the bucket of a
sink into a stream, each version of each file once, and stores status reports in
the bucket that account for every row. The stream is made if it is not there.

New files are noticed in three ways, which may be combined: an SNS topic sends
to the notification endpoint that this command prints (--topic-arn), an SQS
queue is read (--queue-url), and the bucket is listed (--list-every), which also
finds what a lost notice did not tell.

With --bucket in the place of --sink a sink of the same NAME is made first.
strm policy NAME prints the policies that topic, queue, bucket and key need.`,
		Example: `  strm create batch-importer fme --sink s3 --environment 7d4a2c10 --status-folder my_statuses --prefix events/
  strm create batch-importer fme --bucket my-bucket --role-arn arn:aws:iam::123456789012:role/fme --environment prod,staging --status-folder my_statuses --topic-arn arn:aws:sns:eu-west-1:123456789012:fme-events
  strm create batch-importer fme --sink s3 --environment prod --status-folder my_statuses --queue-url https://sqs.eu-west-1.amazonaws.com/123456789012/fme --include-existing-files`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := b.check(cmd); err != nil {
				return err
			}
			switch {
			case len(f.environments) == 0:
				return usagef("--environment is needed: the ids of the environments whose events are taken")
			case strings.Trim(f.folder, "/") == "":
				return usagef("--status-folder is needed: where in the bucket the status reports go")
			}
			in.Name, in.Sink, in.Environments, in.Prefix, in.Suffixes = args[0], f.sink, f.environments, f.prefix, f.suffixes
			in.StatusFolder, in.TopicARN, in.QueueURL = f.folder, f.topic, f.queue
			for text, into := range map[*string]*string{&f.list: &in.ListEvery, &f.report: &in.ReportEvery} {
				if *text == "" {
					continue
				}
				var err error
				if *into, err = parseInterval(*text); err != nil {
					return err
				}
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := b.create(cmd, s, in)
			if err != nil {
				return err
			}
			if out.NewStream {
				warn(cmd, "Stream %s was made for the batch importer.", out.Stream)
			}
			nextSteps(cmd, out)
			return s.print(render.Importer(s.inst, out))
		},
	}
	f.add(a, c)
	b.add(c)
	c.Flags().StringVar(&in.Stream, "stream", "", "the stream that gets the events (default NAME; made if it is not there)")
	c.Flags().BoolVar(&in.IncludeExistingFiles, "include-existing-files", false, "also import the files that the bucket has already")
	completeWith(c, "stream", a.names(-1, streamNames))
	return c
}

// nextSteps tells what is left to do in AWS.
func nextSteps(cmd *cobra.Command, i apiv1.Importer) {
	bucket := "In AWS: allow the bucket to be read, and the status folder to be written (strm policy " + i.Name + " --kind bucket, or --kind iam)."
	switch {
	case i.TopicARN == "" && i.QueueURL == "":
		warn(cmd, "%s\nThe bucket is listed every %s; for files to be noticed at once add a topic or a queue (strm update batch-importer %s --topic-arn ARN).", bucket, i.ListEvery, i.Name)
		return
	case i.TopicARN != "":
		endpoint(cmd, i)
		warn(cmd, "In AWS: let the bucket publish to the topic (strm policy %s --kind topic), and have it notify the topic of all object create events.", i.Name)
		if strings.HasPrefix(i.Endpoint, "https://") {
			warn(cmd, "Then subscribe the endpoint to the topic, protocol HTTPS, raw message delivery off; strm confirms it, as strm get batch-importer %s shows.", i.Name)
		}
	}
	if i.QueueURL != "" {
		warn(cmd, "In AWS: let the bucket send to the queue (strm policy %s --kind queue), and have it notify the queue, or the topic that the queue is subscribed to.", i.Name)
	}
	warn(cmd, "%s", bucket)
}

// endpoint tells the address that the topic is to send to, or why there is none.
func endpoint(cmd *cobra.Command, i apiv1.Importer) {
	if strings.HasPrefix(i.Endpoint, "https://") {
		warn(cmd, "Notification endpoint: %s", i.Endpoint)
		return
	}
	warn(cmd, "The server has no public https URL, and SNS sends to no other. Make it reachable from the internet by https and start it with --public-url https://HOST; "+
		"the notification endpoint is then https://HOST%s. Until then the bucket is listed every %s; an SQS queue (--queue-url) needs no public URL.", i.Endpoint, i.ListEvery)
}

func (a *app) updateImporter() *cobra.Command {
	var f importerFlags
	c := &cobra.Command{
		Use: "batch-importer NAME", Aliases: []string{"batch-importers"}, Short: "Change a batch importer's settings",
		Long: `Change a batch importer's settings. Files that are being imported keep the
environments that they began with; --environment and --suffix replace what was
there. --topic-arn "" and --queue-url "" take topic and queue away.`,
		Example: `  strm update batch-importer fme --environment prod,staging
  strm update batch-importer fme --topic-arn arn:aws:sns:eu-west-1:123456789012:fme-events`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, importerNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := f.change(cmd)
			if err != nil {
				return err
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.UpdateImporter(s.ctx, args[0], in)
			if err != nil {
				return err
			}
			if in.TopicARN != nil && *in.TopicARN != "" {
				endpoint(cmd, out)
			}
			return s.print(render.Importer(s.inst, out))
		},
	}
	f.add(a, c)
	return c
}

// change returns the request for the flags that were given.
func (f *importerFlags) change(cmd *cobra.Command) (apiv1.UpdateImporter, error) {
	var in apiv1.UpdateImporter
	set, some := cmd.Flags().Changed, false
	for flag, to := range map[string]struct {
		field **string
		value *string
	}{
		"sink": {&in.Sink, &f.sink}, "prefix": {&in.Prefix, &f.prefix}, "status-folder": {&in.StatusFolder, &f.folder},
		"topic-arn": {&in.TopicARN, &f.topic}, "queue-url": {&in.QueueURL, &f.queue},
	} {
		if set(flag) {
			*to.field, some = to.value, true
		}
	}
	for flag, to := range map[string]struct {
		field **string
		value string
	}{"list-every": {&in.ListEvery, f.list}, "report-every": {&in.ReportEvery, f.report}} {
		if !set(flag) {
			continue
		}
		v, err := parseInterval(to.value)
		if err != nil {
			return in, err
		}
		*to.field, some = &v, true
	}
	for flag, to := range map[string]struct {
		field *[]string
		value []string
	}{"environment": {&in.Environments, f.environments}, "suffix": {&in.Suffixes, f.suffixes}} {
		if !set(flag) {
			continue
		}
		if len(to.value) == 0 {
			return in, usagef("--%s is empty: give at least one", flag)
		}
		*to.field, some = to.value, true
	}
	if !some {
		return in, usagef("nothing to change: give at least one of --sink, --environment, --prefix, --suffix, --status-folder, --topic-arn, --queue-url, --list-every, --report-every")
	}
	return in, nil
}

func (a *app) listImporters() *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "batch-importers", Aliases: []string{"batch-importer"}, Short: "List batch importers",
		Example: `  strm list batch-importers
  strm list batch-importers --stream fme -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Importers(s.ctx, of)
			if err != nil {
				return err
			}
			return s.print(render.Importers(s.inst, list))
		},
	}
	c.Flags().StringVar(&of, "stream", "", "only the batch importers into this stream")
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch importer")
	completeWith(c, "stream", a.names(-1, streamNames))
	return c
}

func (a *app) getImporter() *cobra.Command {
	c := &cobra.Command{
		Use: "batch-importer NAME...", Aliases: []string{"batch-importers"}, Short: "Show batch importers and how they fare",
		Example: `  strm get batch-importer fme
  strm get batch-importer fme -o table`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, importerNames),
		RunE: a.each(func(s *session, name string) error {
			out, err := s.Importer(s.ctx, name)
			if err != nil {
				return err
			}
			return s.print(render.ImporterGot(s.inst, out))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch importer")
	return c
}

func (a *app) deleteImporter() *cobra.Command {
	c := &cobra.Command{
		Use: "batch-importer NAME...", Aliases: []string{"batch-importers"}, Short: "Delete batch importers",
		Long: `Delete batch importers. What they imported stays in the stream. Files that are
being imported come to their end; those that were noticed and not begun are
reported with INTEGRATION_CONFIG_NOT_FOUND. Their sinks stay.`,
		Example: `  strm delete batch-importer fme`,
		Args:    args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, importerNames),
		RunE: a.each(func(s *session, name string) error {
			if err := s.DeleteImporter(s.ctx, name); err != nil {
				return err
			}
			return s.print(render.Deleted("Batch Importer", false))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch importer")
	return c
}

// importerSwitch returns what `strm pause` and `strm resume` have for importers.
func (a *app) importerSwitch(verb, short, long string, do func(*apiclient.Client, context.Context, string) (apiv1.Importer, error)) *cobra.Command {
	return &cobra.Command{
		Use: "batch-importer NAME...", Aliases: []string{"batch-importers"}, Short: short, Long: long,
		Example: "  strm " + verb + " batch-importer fme",
		Args:    args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, importerNames),
		RunE: a.each(func(s *session, name string) error {
			out, err := do(s.Client, s.ctx, name)
			if err != nil {
				return err
			}
			return s.print(render.Importer(s.inst, out))
		}),
	}
}
