package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/cli/download"
	"strm/internal/cli/render"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// downloadFlags say what to download, from where and whereto.
type downloadFlags struct {
	days                           []string
	since, until, dir, credentials string
	all, through                   bool
	jobs                           int
}

func (a *app) download() *cobra.Command {
	var f downloadFlags
	c := &cobra.Command{
		Use: "download EXPORTER", Short: "Download what a batch exporter has delivered",
		Long: `Download what a batch exporter has delivered, as it is stored: of days, of a time,
or all of it. What there is, how long and with what checksum, the server's ledger
says; nothing is listed. Files that are there already are not fetched again, so a
second run brings what is new.

Objects are read from the bucket with your own AWS credentials, found as the AWS
command line finds them, or those of --credentials-file; that needs s3:GetObject.
With --through-server the server reads them with the sink's.

Days are those of receipt, in UTC. A layout that does not divide by day (strm)
goes by when a batch was cut. With one --day, files are named as below that day's
directory in the bucket; otherwise as below the batch exporter's path prefix.`,
		Example: `  strm download s3-web --day 2026-11-20
  strm download s3-web --day 2026-11-19 --day 2026-11-20 --to ~/Downloads/logs
  strm download s3-web --since 2026-11-01 --until 2026-12-01 --to november --jobs 16
  strm download s3-web --all --through-server
  zcat *.gz | jq -c 'select(.type == "track")'`,
		Args: args(1, 1, "one EXPORTER"), ValidArgsFunction: a.names(1, exporterNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			want, err := f.want()
			if err != nil {
				return err
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			return s.download(cmd, args[0], want, &f)
		},
	}
	fl := c.Flags()
	fl.StringArrayVar(&f.days, "day", nil, "what was received on this `DAY` (2026-11-20, UTC); may be repeated")
	fl.StringVar(&f.since, "since", "", "what was received from this time on (2026-11-20 or 2026-11-20T15:04:05Z); whole objects")
	fl.StringVar(&f.until, "until", "", "what was received before this time; whole objects")
	fl.BoolVar(&f.all, "all", false, "everything")
	fl.StringVar(&f.dir, "to", ".", "put the files into this `DIR`")
	fl.IntVar(&f.jobs, "jobs", 8, "files at one time")
	fl.BoolVar(&f.through, "through-server", false, "let the server read the bucket, with the sink's credentials")
	fl.StringVar(&f.credentials, "credentials-file", "", "`FILE` with credentials that may read, as aws iam create-access-key writes it; - for standard input")
	c.MarkFlagsMutuallyExclusive("day", "since", "all")
	c.MarkFlagsMutuallyExclusive("day", "until", "all")
	c.MarkFlagsMutuallyExclusive("through-server", "credentials-file")
	_ = c.MarkFlagDirname("to")                        // the flag exists
	_ = c.MarkFlagFilename("credentials-file", "json") // the flag exists
	for _, free := range []string{"day", "since", "until", "jobs"} {
		complete(c, free)
	}
	return c
}

// want reads the flags that choose.
func (f *downloadFlags) want() (download.Want, error) {
	var w download.Want
	if !f.all && len(f.days) == 0 && f.since == "" && f.until == "" {
		return w, usagef("download what? Give --day, --since and --until, or --all")
	}
	if f.jobs < 1 || f.jobs > 256 {
		return w, usagef("--jobs %d: use 1 to 256", f.jobs)
	}
	for _, d := range f.days {
		t, err := time.Parse(time.DateOnly, d)
		if err != nil {
			return w, usagef("%q is not a day: write 2026-11-20", d)
		}
		w.Days = append(w.Days, t)
	}
	for _, x := range []struct {
		text string
		at   *time.Time
	}{{f.since, &w.From}, {f.until, &w.To}} {
		if x.text == "" {
			continue
		}
		t, err := parseTime(x.text)
		if err != nil {
			return w, err
		}
		*x.at = *t
	}
	if !w.From.IsZero() && !w.To.IsZero() && !w.From.Before(w.To) {
		return w, usagef("--since %s is not before --until %s", f.since, f.until)
	}
	return w, nil
}

// place fills in what names and spans depend on: the exporter and its sink.
func place(w *download.Want, e apiv1.Exporter, sink apiv1.Sink) {
	w.Sink, w.Prefix, w.Span = e.Sink, stream.JoinPrefix(sink.Prefix, e.PathPrefix), 24*time.Hour
	l, err := layout.Parse(e.Layout)
	if err != nil {
		return // of a newer server: names are longer than need be
	}
	if l.Division() == layout.ByHour {
		w.Span = time.Hour
	}
	if len(w.Days) == 1 {
		w.Strip = l.DayDepth()
	}
}

func (s *session) download(cmd *cobra.Command, ref string, want download.Want, f *downloadFlags) error {
	e, err := s.Exporter(s.ctx, ref)
	if err != nil {
		return err
	}
	sink, err := s.Sink(s.ctx, e.Sink)
	if err != nil {
		return err
	}
	place(&want, e, sink)
	files, err := s.delivered(ref, want)
	if err != nil {
		return err
	}
	from, err := s.readers(cmd, ref, f)
	if err != nil {
		return err
	}
	p := newProgress(cmd.ErrOrStderr())
	out, err := download.Run(s.ctx, f.dir, files, from.open, download.Options{
		Jobs: f.jobs, Again: mayPass, Report: func(u download.Progress) {
			p.draw(func(elapsed time.Duration) string { return downloadLine(u, elapsed) })
		},
	})
	p.clear()
	err = errors.Join(err, from.close())
	if err != nil && len(out.Failed) == 0 {
		return err
	}
	doc := render.Download{Directory: f.dir, Downloaded: out.Downloaded, Present: out.Present, Bytes: out.Bytes}
	var lines []string
	for _, x := range out.Failed {
		doc.Failed = append(doc.Failed, render.DownloadFailed{Key: x.Key, Reason: x.Err.Error()})
		line := x.Err.Error()
		if !strings.Contains(line, x.Key) {
			line = x.Key + ": " + line
		}
		lines = append(lines, line)
	}
	if perr := s.print(render.Downloaded(doc)); perr != nil || len(lines) == 0 {
		return errors.Join(perr, err)
	}
	shown := lines[:min(len(lines), maxReasons)]
	if more := len(lines) - len(shown); more > 0 {
		shown = append(slices.Clip(shown), fmt.Sprintf("and %d more (-o json shows all)", more))
	}
	return errors.Join(fmt.Errorf("%d of %d files could not be downloaded%s\n  %s", len(lines), len(files), readingHint(out.Failed, f.through), strings.Join(shown, "\n  ")), err)
}

// maxReasons is how many failures are told to a person.
const maxReasons = 20

// delivered returns the objects that are wanted, page by page of the ledger. What
// was replayed is a copy elsewhere, and not asked for.
func (s *session) delivered(ref string, want download.Want) ([]download.File, error) {
	var out []download.File
	for q := (apiclient.BatchQuery{Limit: 1000, State: string(stream.BatchDone)}); ; {
		page, err := s.Batches(s.ctx, ref, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Batches {
			if page.Batches[i].Replay != "" {
				continue
			}
			files, err := want.Files(&page.Batches[i])
			if err != nil {
				return nil, err
			}
			out = append(out, files...)
		}
		if page.Next == 0 {
			return out, nil
		}
		q.Before = page.Next
	}
}

// downloadLine is the bar of a download.
func downloadLine(u download.Progress, elapsed time.Duration) string {
	rate := int64(float64(max(u.Fresh, 0)) / max(elapsed.Seconds(), 0.001))
	return fmt.Sprintf("%s  %s of %s  %d of %d files  %s/s", bar(u.Bytes, u.Size), render.Bytes(max(u.Bytes, 0)), render.Bytes(u.Size), u.Files, u.Of, render.Bytes(rate))
}

// mayPass reports whether reading again may help.
func mayPass(err error) bool {
	var e *objstore.Error
	if errors.As(err, &e) {
		return !e.Reason.NeedsPerson() && e.Reason != objstore.NoObject
	}
	switch problem.KindOf(err) {
	case problem.Invalid, problem.NotFound, problem.Conflict, problem.Forbidden, problem.Unauthorized, problem.Corrupt, problem.TooLarge:
		return false
	case problem.Internal, problem.Busy, problem.Unavailable:
	}
	return true
}

// readingHint says what to do where a store does not let read.
func readingHint(failed []download.Failure, through bool) string {
	for _, x := range failed {
		var e *objstore.Error
		switch {
		case errors.As(x.Err, &e) && (e.Reason == objstore.Denied || e.Reason == objstore.BadCredentials):
			return ". Your credentials must permit reading (s3:GetObject): name others with --credentials-file, or AWS_PROFILE, or let the server read with --through-server"
		case through && problem.KindOf(x.Err) == problem.Forbidden:
			return ". The sink's credentials may not read: leave out --through-server to use your own"
		}
	}
	return ""
}
