package control

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Bounds of a batch importer's settings.
const (
	MaxEnvironments = 1000
	MaxSuffixes     = 50
	MaxSuffix       = 100 // bytes
)

// checkImporter refuses what cannot work, and takes the slash from the end of
// the status folder, where people put one.
func (c *Control) checkImporter(i *stream.Importer, sink stream.Sink) error {
	if sink.Type != stream.SinkS3 {
		return problem.New(problem.Invalid, "a batch importer reads S3 buckets, and sink %s is of type %s", sink.Name, sink.Type)
	}
	if err := checkEnvironments(i.Environments); err != nil {
		return err
	}
	if err := checkFilter(i.Prefix, i.Suffixes); err != nil {
		return err
	}
	i.StatusPrefix = strings.TrimSuffix(i.StatusPrefix, "/")
	if err := checkStatusFolder(i.StatusPrefix, i.Prefix); err != nil {
		return err
	}
	if err := checkTopic(i.TopicARN); err != nil {
		return err
	}
	if err := checkQueue(i.QueueURL, sink); err != nil {
		return err
	}
	if err := c.checkEvery("listing", i.ListEvery, MaxListEvery); err != nil {
		return err
	}
	return c.checkEvery("report", i.ReportEvery, MaxReportEvery)
}

func checkEnvironments(ids []string) error {
	if len(ids) == 0 {
		return problem.New(problem.Invalid, "a batch importer needs the ids of its environments (--environment): rows of others are refused, so without any all would be")
	}
	if len(ids) > MaxEnvironments {
		return problem.New(problem.Invalid, "%d environments given, at most %d are allowed", len(ids), MaxEnvironments)
	}
	for n, id := range ids {
		if id == "" || len(id) > MaxEnvironment || !utf8.ValidString(id) || strings.ContainsFunc(id, isControl) {
			return problem.New(problem.Invalid, "environment id %q: use 1 to %d bytes of UTF-8 without control characters", id, MaxEnvironment)
		}
		if slices.Contains(ids[:n], id) {
			return problem.New(problem.Invalid, "environment id %q is given twice", id)
		}
	}
	return nil
}

// checkFilter refuses what a person means for a pattern: as in the filters of a
// bucket's notifications, * and ? are plain characters.
func checkFilter(prefix string, suffixes []string) error {
	switch {
	case len(prefix) > stream.MaxPathPrefix || !utf8.ValidString(prefix) || strings.ContainsFunc(prefix, isControl):
		return problem.New(problem.Invalid, "prefix of the files: use at most %d bytes of UTF-8 without control characters", stream.MaxPathPrefix)
	case strings.HasPrefix(prefix, "/"):
		return problem.New(problem.Invalid, "prefix %q: keys do not begin with a slash; write %q", prefix, strings.TrimLeft(prefix, "/"))
	case strings.Contains(prefix, "*"):
		return problem.New(problem.Invalid, "prefix %q: there are no wildcards; write what the keys begin with, such as events/", prefix)
	case len(suffixes) == 0:
		return problem.New(problem.Invalid, "a batch importer needs the suffixes of its files, such as .parquet")
	case len(suffixes) > MaxSuffixes:
		return problem.New(problem.Invalid, "%d suffixes given, at most %d are allowed", len(suffixes), MaxSuffixes)
	}
	for _, s := range suffixes {
		switch {
		case s == "" || len(s) > MaxSuffix || !utf8.ValidString(s) || strings.ContainsFunc(s, isControl):
			return problem.New(problem.Invalid, "suffix %q: use 1 to %d bytes of UTF-8 without control characters", s, MaxSuffix)
		case strings.Contains(s, "*"):
			return problem.New(problem.Invalid, "suffix %q: there are no wildcards, here or in the bucket's notifications; write what the keys end in, such as .parquet.gz", s)
		}
	}
	return nil
}

// checkStatusFolder refuses a folder that no report could be stored in, or under
// which all files would be taken for reports.
func checkStatusFolder(folder, prefix string) error {
	if folder == "" {
		return problem.New(problem.Invalid, "a batch importer needs a status folder (--status-folder), for the reports about its files")
	}
	if err := stream.CheckPathPrefix(folder); err != nil {
		return problem.New(problem.Invalid, "status folder: %w", err)
	}
	if strings.HasPrefix(prefix, folder+"/") {
		return problem.New(problem.Invalid, "the files below %q lie in the status folder %q, where nothing is imported from: reports would be taken for event files. "+
			"Choose a status folder beside them", prefix, folder)
	}
	return nil
}

func checkTopic(arn string) error {
	if arn == "" {
		return nil
	}
	t, err := notice.ParseTopic(arn)
	if err == nil && strings.HasSuffix(t.Name, ".fifo") {
		err = problem.New(problem.Invalid, "topic %q is a FIFO topic, and S3 notifies standard ones only", arn)
	}
	return err
}

func checkQueue(text string, sink stream.Sink) error {
	if text == "" {
		return nil
	}
	q, err := notice.ParseQueue(text, "")
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(q.Endpoint, "http://") && sink.Endpoint == "":
		return problem.New(problem.Invalid, "the queue's URL begins with http://: credentials go to AWS by https only")
	case strings.HasSuffix(text, ".fifo"):
		return problem.New(problem.Invalid, "queue %q is a FIFO queue, and S3 notifies standard ones only", text)
	}
	return nil
}

func (c *Control) checkEvery(what string, d, most time.Duration) error {
	lowest := MinEvery
	if c.options.AllowShortIntervals {
		lowest = time.Second
	}
	if d < lowest || d > most || d%time.Second != 0 {
		return problem.New(problem.Invalid, "%s interval %v must be whole seconds between %v and %v", what, d, lowest, most)
	}
	return nil
}
