package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/builtin"
	"strm/internal/cli/render"
	"strm/internal/layout"
)

// exporterFlags are the settings of an exporter that create and update share.
type exporterFlags struct {
	sink, prefix, streamPrefix, interval, offset, layout, format, compression, maxBytes, maxPacked string
	maxEvents                                                                                      int64

	file optionFlags
}

func (f *exporterFlags) add(a *app, c *cobra.Command) {
	c.Flags().StringVar(&f.sink, "sink", "", "the sink to deliver to (default: the only one)")
	c.Flags().StringVar(&f.prefix, "path-prefix", "", "put the objects under this prefix in the bucket")
	c.Flags().StringVar(&f.streamPrefix, "stream-prefix", "", "put this before the stream's name in keys, with nothing between: old_ makes old_demo; for layouts that name the stream")
	c.Flags().StringVar(&f.interval, "interval", "", "deliver at least this often: 60, 60s or 1m; from 30s to 24h (a new one's default is 60s, 1h with layout segment and 30m with fme)")
	c.Flags().StringVar(&f.offset, "interval-offset", "", "cut so long after the full interval: with --interval 1h, 40m cuts at :40; below the interval (a new one's default is 0, and 40m with layout segment)")
	c.Flags().StringVar(&f.layout, "layout", "", "names of the objects: "+strings.Join(layout.Names(), ", ")+", or a template such as {stream}/{date}/{batch}.{ext} (a new one's default is strm). Templates may hold "+layout.Variables())
	c.Flags().StringVar(&f.format, "format", "", "format of the objects: "+strings.Join(builtin.FormatNames(), ", ")+" (a new one's default is jsonl)")
	c.Flags().StringVar(&f.compression, "compression", "", "none, gzip or zstd; of the pages of parquet: none, snappy, gzip, zstd, lz4, lzo or brotli (a new one's default is none, and snappy for parquet; gzip with layout airbyte, and layout segment is always gzip)")
	c.Flags().StringVar(&f.maxBytes, "max-bytes", "", "close a batch at this size before compression (100MB, 64MiB; 0 for no bound), at the end of a stored block: at most this much, but at least one block of up to 256 KiB")
	c.Flags().StringVar(&f.maxPacked, "max-packed-bytes", "", "close a batch at this size as stored, which is the size of a gzip object (100MB, 64MiB; 0 for no bound; a new one's default is no bound, and 100MB with layout segment); at the end of a stored block, as --max-bytes")
	c.Flags().Int64Var(&f.maxEvents, "max-events", 0, "close a batch at this many events (0 for no bound), at the end of a stored block: one request, or several that came together")
	completeWith(c, "sink", a.names(-1, sinkNames))
	complete(c, "layout", layout.Names()...)
	complete(c, "format", builtin.FormatNames()...)
	complete(c, "compression", "none", "gzip", "zstd", "snappy", "lz4", "brotli")
	f.file.add(c)
	for _, free := range []string{"path-prefix", "stream-prefix", "interval", "interval-offset", "max-bytes", "max-packed-bytes", "max-events"} {
		complete(c, free)
	}
}

// bytes returns --max-bytes as a number.
func (f *exporterFlags) bytes() (int64, error) {
	if f.maxBytes == "" {
		return 0, nil
	}
	return parseSize(f.maxBytes)
}

// packed returns --max-packed-bytes as a number, nil if it was not given.
func (f *exporterFlags) packed() (*int64, error) {
	if f.maxPacked == "" {
		return nil, nil
	}
	n, err := parseSize(f.maxPacked)
	return &n, err
}

func (a *app) createExporter() *cobra.Command {
	var (
		f          exporterFlags
		name, from string
		existing   bool
	)
	c := &cobra.Command{
		Use: "batch-exporter STREAM", Aliases: []string{"batch-exporters"}, Short: "Create a batch exporter: deliver a stream to a sink",
		Long: `Create a batch exporter, which delivers the events of a stream to a sink, in
batches. It begins with the events that come from now on, unless told otherwise.

With --layout segment the objects are those of Segment's Amazon S3 destination:
segment-logs/SOURCE-ID/DAY/NAME.gz, DAY being the day of receipt as Unix
milliseconds, cut at :40 of each hour or at 100 MB. The stream needs a source of
kind segment (strm create source NAME --kind segment).

With --layout tarsal the objects are those of Tarsal's S3 destination:
STREAM/2026_01_31_MILLISECONDS_0.jsonl, with '_' for '-' in the stream's name,
each event inside "data" beside _tarsal_metadata; with --layout airbyte those of
Airbyte's: STREAM/2026_01_31_MILLISECONDS_0.jsonl.gz, with the columns of
Airbyte 1.x. Both take --format csv too, --envelope for other columns, and a
template with {cut_date} and {cut_ms} for other names. The milliseconds are those
when the batch was planned. Such keys do not name the exporter, so the sink must
know conditional writes, and should be readable (strm policy says what to allow).

With --layout fme they are impressions as Harness FME (Split) exports them:
Parquet of 14 columns below schema-v1/, every 30 minutes. --layout fme-root
leaves that folder out.

The bucket is tried with an empty object, .strm_test_<uuid>.jsonl, under the
prefix (and segment-logs/ or schema-v1/, with those layouts). If that fails the
exporter exists all the same and goes on trying; the command then says what is
wrong and exits with 1.`,
		Example: `  strm create batch-exporter demo --sink s3 --path-prefix events
  strm create batch-exporter demo --sink s3 --name archive --interval 1h --compression gzip --max-bytes 100MB --include-existing-events
  strm create batch-exporter web --sink s3 --layout segment
  strm create batch-exporter users --sink s3 --layout tarsal --format csv --path-prefix data_output_path --stream-prefix prod_
  strm create batch-exporter demo --sink s3 --name tables --layout hive --format parquet --compression zstd --schema event.json`,
		Args: args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := apiv1.CreateExporter{
				Name: name, Stream: args[0], Sink: f.sink, PathPrefix: f.prefix, MaxEvents: f.maxEvents,
				StreamPrefix: f.streamPrefix, Layout: f.layout, Format: f.format, Compression: f.compression, IncludeExistingEvents: existing,
			}
			var err error
			if f.interval != "" {
				if in.Interval, err = parseInterval(f.interval); err != nil {
					return err
				}
			}
			if f.offset != "" {
				if in.Offset, err = parseOffset(f.offset); err != nil {
					return err
				}
			}
			if in.MaxBytes, err = f.bytes(); err != nil {
				return err
			}
			if in.MaxPacked, err = f.packed(); err != nil {
				return err
			}
			if in.Options, err = f.file.options(cmd); err != nil {
				return err
			}
			if from != "" {
				if in.From, err = parseTime(from); err != nil {
					return err
				}
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.CreateExporter(s.ctx, in)
			if err != nil {
				return err
			}
			if err := s.print(render.Exporter(s.inst, out)); err != nil {
				return err
			}
			return undelivered(out)
		},
	}
	f.add(a, c)
	c.Flags().StringVar(&name, "name", "", "name of the batch exporter (default SINK-STREAM)")
	c.Flags().BoolVar(&existing, "include-existing-events", false, "begin with the oldest event that the stream still has")
	c.Flags().StringVar(&from, "from", "", "begin with the events received from this time on (2026-01-31T15:04:05Z)")
	c.MarkFlagsMutuallyExclusive("include-existing-events", "from")
	complete(c, "name")
	return c
}

func (a *app) updateExporter() *cobra.Command {
	var f exporterFlags
	c := &cobra.Command{
		Use: "batch-exporter NAME", Aliases: []string{"batch-exporters"}, Short: "Change a batch exporter's settings",
		Long: `Change a batch exporter's settings. Batches that are planned already keep the
settings they were planned with. What is not given stays; only layouts segment,
fme and fme-root bring their format, compression and columns with them, layouts
tarsal and airbyte bring an envelope where there is none, and another --format
drops the options of the one before. Where several streams have a batch exporter
of this name, write STREAM/NAME.`,
		Example: `  strm update batch-exporter s3-demo --interval 5m
  strm update batch-exporter demo/archive --sink other --path-prefix archive`,
		Args: args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, exporterNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := f.change(cmd)
			if err != nil {
				return err
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.UpdateExporter(s.ctx, args[0], in)
			if err != nil {
				return err
			}
			return s.print(render.Exporter(s.inst, out))
		},
	}
	f.add(a, c)
	return c
}

// change returns the request for the flags that were given.
func (f *exporterFlags) change(cmd *cobra.Command) (apiv1.UpdateExporter, error) {
	var in apiv1.UpdateExporter
	set, some := cmd.Flags().Changed, false
	for flag, to := range map[string]struct {
		field **string
		value *string
	}{
		"sink": {&in.Sink, &f.sink}, "path-prefix": {&in.PathPrefix, &f.prefix}, "stream-prefix": {&in.StreamPrefix, &f.streamPrefix}, "layout": {&in.Layout, &f.layout},
		"format": {&in.Format, &f.format}, "compression": {&in.Compression, &f.compression},
	} {
		if set(flag) {
			*to.field, some = to.value, true
		}
	}
	if set("interval") {
		v, err := parseInterval(f.interval)
		if err != nil {
			return in, err
		}
		in.Interval, some = &v, true
	}
	if set("interval-offset") {
		v, err := parseOffset(f.offset)
		if err != nil {
			return in, err
		}
		in.Offset, some = &v, true
	}
	if set("max-packed-bytes") {
		n, err := parseSize(f.maxPacked)
		if err != nil {
			return in, err
		}
		in.MaxPacked, some = &n, true
	}
	if set("max-bytes") {
		n, err := f.bytes()
		if err != nil {
			return in, err
		}
		in.MaxBytes, some = &n, true
	}
	if set("max-events") {
		in.MaxEvents, some = &f.maxEvents, true
	}
	var err error
	if in.Options, err = f.file.options(cmd); err != nil {
		return in, err
	}
	if !some && in.Options == nil {
		return in, usagef("nothing to change: give at least one of --sink, --path-prefix, --stream-prefix, --interval, --interval-offset, --layout, --format, --compression, --max-bytes, --max-packed-bytes, --max-events, or an option of the format")
	}
	return in, nil
}

func (a *app) listExporters() *cobra.Command {
	var of string
	c := &cobra.Command{
		Use: "batch-exporters", Aliases: []string{"batch-exporter"}, Short: "List batch exporters",
		Example: `  strm list batch-exporters
  strm list batch-exporters --stream demo -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Exporters(s.ctx, of)
			if err != nil {
				return err
			}
			return s.print(render.Exporters(s.inst, list))
		},
	}
	c.Flags().StringVar(&of, "stream", "", "only the batch exporters of this stream")
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch exporter")
	completeWith(c, "stream", a.names(-1, streamNames))
	return c
}

func (a *app) getExporter() *cobra.Command {
	c := &cobra.Command{
		Use: "batch-exporter NAME...", Aliases: []string{"batch-exporters"}, Short: "Show batch exporters and how they fare",
		Example: `  strm get batch-exporter s3-demo
  strm get batch-exporter demo/s3-demo -o table`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, exporterNames),
		RunE: a.each(func(s *session, name string) error {
			out, err := s.Exporter(s.ctx, name)
			if err != nil {
				return err
			}
			return s.print(render.ExporterGot(s.inst, out))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch exporter")
	return c
}

func (a *app) deleteExporter() *cobra.Command {
	c := &cobra.Command{
		Use: "batch-exporter NAME...", Aliases: []string{"batch-exporters"}, Short: "Delete batch exporters",
		Long: `Delete batch exporters. What they delivered stays in the bucket; what they had
yet to deliver they will not deliver any more.`,
		Example: `  strm delete batch-exporter s3-demo
  strm delete batch-exporter demo/archive`,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, exporterNames),
		RunE: a.each(func(s *session, name string) error {
			if err := s.DeleteExporter(s.ctx, name); err != nil {
				return err
			}
			return s.print(render.Deleted("Batch Exporter", false))
		}),
	}
	c.Flags().BoolP("recursive", "r", false, "accepted for symmetry: nothing depends on a batch exporter")
	return c
}
