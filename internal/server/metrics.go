package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"strm/internal/problem"
	"strm/internal/stream"
)

// metrics are the counters of a server. They count from its start.
type metrics struct {
	registry *prometheus.Registry

	planned   *prometheus.CounterVec
	done      *prometheus.CounterVec
	events    *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	nulled    *prometheus.CounterVec
	invalid   *prometheus.CounterVec
	duration  prometheus.Histogram
	puts      *prometheus.CounterVec
	attempts  prometheus.Counter
	requests  *prometheus.CounterVec
	accepted  *prometheus.CounterVec
	inBytes   *prometheus.CounterVec
	duplicate *prometheus.CounterVec
	refused   *prometheus.CounterVec
	segment   *prometheus.CounterVec
	rejected  *prometheus.CounterVec
	repeated  *prometheus.CounterVec

	split          *prometheus.CounterVec
	splitRejected  *prometheus.CounterVec
	splitDiscarded *prometheus.CounterVec

	importCounters
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), importCounters: newImportCounters(),
		planned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_batches_planned_total", Help: "Batches planned, by why they were cut.",
		}, []string{"stream", "reason"}),
		done: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_batches_done_total", Help: "Batches delivered.",
		}, []string{"stream", "reason"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_delivered_events_total", Help: "Events delivered to buckets.",
		}, []string{"stream"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_delivered_bytes_total", Help: "Bytes of objects delivered, as stored.",
		}, []string{"stream"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_undeclared_members_total", Help: "Members of delivered events that are not in the files, because the declared schema has no place for them.",
		}, []string{"stream"}),
		nulled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_nulled_values_total", Help: "Values of delivered events that did not fit their column and are null in the files.",
		}, []string{"stream"}),
		invalid: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_dropped_values_total", Help: "Values of a topic that are no events and were left out of delivered files, as the stream says (--invalid drop).",
		}, []string{"stream"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "strm_batch_seconds", Help: "From the plan of a batch to its delivery.", Buckets: prometheus.ExponentialBuckets(0.01, 4, 9),
		}),
		puts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_puts_total", Help: "PUTs of objects, by outcome: stored, exists, ambiguous, rejected, not_sent.",
		}, []string{"outcome"}),
		attempts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "strm_batch_retries_total", Help: "Rounds beyond the first that delivered batches took.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_http_requests_total", Help: "HTTP requests answered, by status code.",
		}, []string{"code"}),
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_accepted_events_total", Help: "Events acknowledged after they were durable.",
		}, []string{"stream"}),
		inBytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_accepted_bytes_total", Help: "Bytes of those events, uncompressed.",
		}, []string{"stream"}),
		duplicate: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_duplicate_events_total", Help: "Events of requests whose idempotency key was known: acknowledged, not stored again.",
		}, []string{"stream"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_refused_requests_total", Help: "Intake requests refused, by kind of reason.",
		}, []string{"stream", "kind"}),
		segment: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_segment_requests_total", Help: "Requests of Segment SDKs answered, by outcome: stored, dropped, settings, or the kind of refusal. No source: its write key is not known.",
		}, []string{"source", "outcome"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_segment_rejected_calls_total", Help: "Calls left out of requests of Segment SDKs, by reason.",
		}, []string{"source", "reason"}),
		repeated: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_repeated_events_total", Help: "Events not stored again because their message id was known.",
		}, []string{"stream"}),
		split: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_split_requests_total", Help: "Requests of Split SDKs answered, by outcome: stored, dropped, served, or the kind of refusal. No source: its key is not known.",
		}, []string{"source", "outcome"}),
		splitRejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_split_rejected_entries_total", Help: "Entries left out of requests of Split SDKs, by reason.",
		}, []string{"source", "reason"}),
		splitDiscarded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strm_split_discarded_total", Help: "Counts and groups of unique keys dropped, as the source has no stream for them.",
		}, []string{"source", "what"}),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.planned, m.done, m.events, m.bytes, m.dropped, m.nulled, m.invalid, m.duration, m.puts, m.attempts, m.requests,
		m.accepted, m.inBytes, m.duplicate, m.refused, m.segment, m.rejected, m.repeated, m.split, m.splitRejected, m.splitDiscarded)
	m.register(m.registry)
	return m
}

// BatchPlanned counts a plan.
func (m *metrics) BatchPlanned(b *stream.Batch) {
	m.planned.WithLabelValues(b.Stream, string(b.Reason)).Inc()
}

// BatchDone counts a delivery.
func (m *metrics) BatchDone(b *stream.Batch) {
	m.done.WithLabelValues(b.Stream, string(b.Reason)).Inc()
	m.events.WithLabelValues(b.Stream).Add(float64(b.Events()))
	m.bytes.WithLabelValues(b.Stream).Add(float64(b.Bytes()))
	m.duration.Observe(b.DoneAt.Sub(b.PlannedAt).Seconds())
	m.attempts.Add(float64(b.Attempts - 1))
}

// Dropped counts values that are no events.
func (m *metrics) Dropped(stream string, values int64) {
	m.invalid.WithLabelValues(stream).Add(float64(values))
}

// Lost counts what files do not hold of their events.
func (m *metrics) Lost(stream string, undeclared, nulled int64) {
	m.dropped.WithLabelValues(stream).Add(float64(undeclared))
	m.nulled.WithLabelValues(stream).Add(float64(nulled))
}

// Put counts a PUT.
func (m *metrics) Put(outcome string) { m.puts.WithLabelValues(outcome).Inc() }

func (m *metrics) answered(status int) {
	m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
}

// Accepted counts what the intake acknowledged.
func (m *metrics) Accepted(stream string, events int, bytes int64) {
	m.accepted.WithLabelValues(stream).Add(float64(events))
	m.inBytes.WithLabelValues(stream).Add(float64(bytes))
}

// Duplicate counts what the intake had before.
func (m *metrics) Duplicate(stream string, events int) {
	m.duplicate.WithLabelValues(stream).Add(float64(events))
}

// Refused counts what the intake refused.
func (m *metrics) Refused(stream string, kind problem.Kind) {
	m.refused.WithLabelValues(stream, kind.String()).Inc()
}

// Answered counts a request of a Segment SDK.
func (m *metrics) Answered(source, outcome string) {
	m.segment.WithLabelValues(source, outcome).Inc()
}

// Rejected counts calls that were left out of a request.
func (m *metrics) Rejected(source, reason string, calls int) {
	m.rejected.WithLabelValues(source, reason).Add(float64(calls))
}

// splitMetrics are the metrics as collect/split tells them.
type splitMetrics struct{ m *metrics }

// Refused counts what the intake refused.
func (s splitMetrics) Refused(stream string, kind problem.Kind) { s.m.Refused(stream, kind) }

// Answered counts a request of a Split SDK.
func (s splitMetrics) Answered(source, outcome string) {
	s.m.split.WithLabelValues(source, outcome).Inc()
}

// Rejected counts entries that were left out of a request.
func (s splitMetrics) Rejected(source, reason string, entries int) {
	s.m.splitRejected.WithLabelValues(source, reason).Add(float64(entries))
}

// Discarded counts what a source has no stream for.
func (s splitMetrics) Discarded(source, what string, entries int) {
	s.m.splitDiscarded.WithLabelValues(source, what).Add(float64(entries))
}

// Repeated counts events that were known by their message id.
func (m *metrics) Repeated(stream string, calls int) {
	m.repeated.WithLabelValues(stream).Add(float64(calls))
}
