package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strm/internal/stream"
)

// importCounters count what is imported.
type importCounters struct {
	files    *prometheus.CounterVec
	fileTime prometheus.Histogram
	failures *prometheus.CounterVec
	rows     *prometheus.CounterVec
	fetched  *prometheus.CounterVec
	reports  *prometheus.CounterVec
	listings *prometheus.CounterVec
	found    *prometheus.CounterVec
	notices  *prometheus.CounterVec
}

func newImportCounters() importCounters {
	count := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	return importCounters{
		files:    count("strm_imported_files_total", "Event files that are done, by outcome: imported, or the code for which a file, or the rest of it, was refused.", "importer", "outcome"),
		failures: count("strm_import_failures_total", "Attempts at event files that failed; another follows.", "importer"),
		rows:     count("strm_import_rows_total", "Rows of event files that are done: accepted, or refused with the code. A row may have several codes.", "importer", "result"),
		fetched:  count("strm_import_fetched_bytes_total", "Bytes of event files read from buckets.", "importer"),
		reports:  count("strm_report_puts_total", "PUTs of status reports, by outcome: stored, exists, ambiguous, rejected, not_sent.", "outcome"),
		listings: count("strm_listings_total", "Listings of buckets for files of which nobody told.", "importer", "result"),
		found:    count("strm_listed_files_total", "Files that were found by listing.", "importer"),
		notices:  count("strm_notices_total", "Messages that told of files, or should have, by outcome.", "importer", "via", "outcome"),
		fileTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "strm_import_seconds", Help: "From the first attempt at an event file to its end.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 9),
		}),
	}
}

func (c *importCounters) register(r *prometheus.Registry) {
	r.MustRegister(c.files, c.fileTime, c.failures, c.rows, c.fetched, c.reports, c.listings, c.found, c.notices)
}

// importMetrics is told by the importer.
type importMetrics struct{ *metrics }

// FileDone counts a file.
func (m importMetrics) FileDone(importer, outcome string, took time.Duration) {
	m.files.WithLabelValues(importer, outcome).Inc()
	m.fileTime.Observe(took.Seconds())
}

// FileFailed counts an attempt in vain.
func (m importMetrics) FileFailed(importer string) { m.failures.WithLabelValues(importer).Inc() }

// Rows counts rows.
func (m importMetrics) Rows(importer string, code stream.RowError, rows int64) {
	result := string(code)
	if code == "" {
		result = "accepted"
	}
	m.rows.WithLabelValues(importer, result).Add(float64(rows))
}

// Fetched counts bytes of files.
func (m importMetrics) Fetched(importer string, bytes int64) {
	m.fetched.WithLabelValues(importer).Add(float64(bytes))
}

// Report counts a PUT of a status report.
func (m importMetrics) Report(outcome string) { m.reports.WithLabelValues(outcome).Inc() }

// Listed counts a listing.
func (m importMetrics) Listed(importer string, ok bool, found int) {
	result := "ok"
	if !ok {
		result = "failed"
	}
	m.listings.WithLabelValues(importer, result).Inc()
	m.found.WithLabelValues(importer).Add(float64(found))
}

// importGauges tell how far behind importing is, when somebody asks.
type importGauges struct {
	server  *Server
	oldest  *prometheus.Desc
	overdue *prometheus.Desc
}

func newImportGauges(s *Server) *importGauges {
	return &importGauges{
		server:  s,
		oldest:  prometheus.NewDesc("strm_import_oldest_waiting_seconds", "Since when the oldest event file that is not done has been known; 0 if there is none. Files of paused importers do not count.", nil, nil),
		overdue: prometheus.NewDesc("strm_report_lag_seconds", "How long ago the next status report should have been planned, or the oldest planned one stored; 0 if none is late.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (g *importGauges) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// waitAtMost is longer than any import waits for its next attempt.
const waitAtMost = 24 * time.Hour

// Collect implements prometheus.Collector.
func (g *importGauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	now := time.Now()
	tell := func(d *prometheus.Desc, since time.Time, err error) {
		if err != nil {
			ch <- prometheus.NewInvalidMetric(d, err)
			return
		}
		lag := 0.0
		if !since.IsZero() {
			lag = max(0, now.Sub(since).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, lag)
	}
	var since time.Time
	due, _, err := g.server.catalog.DueImports(ctx, "", now.Add(waitAtMost), 1)
	if len(due) > 0 {
		since = due[0].NoticedAt
	}
	tell(g.oldest, since, err)
	next, err := g.server.catalog.NextReport(ctx)
	if err == nil {
		open, oerr := g.server.catalog.OpenReports(ctx)
		for _, r := range open {
			if next.IsZero() || r.At.Before(next) {
				next = r.At
			}
		}
		err = oerr
	}
	tell(g.overdue, next, err)
}
