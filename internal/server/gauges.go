package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strm/internal/exporter"
	"strm/internal/stream"
)

// gauges are read from the parts of the server when somebody asks.
type gauges struct {
	server *Server

	waiting   *prometheus.Desc
	state     *prometheus.Desc
	delivered *prometheus.Desc
	health    *prometheus.Desc
	packed    *prometheus.Desc
	disk      *prometheus.Desc
	free      *prometheus.Desc
	appends   *prometheus.Desc
	commits   *prometheus.Desc
	full      *prometheus.Desc
	buffered  *prometheus.Desc
	nodes     *prometheus.Desc
}

// watch adds what only the parts of s know.
func (m *metrics) watch(s *Server) {
	of := []string{"exporter", "stream", "sink"}
	m.registry.MustRegister(&gauges{
		server:    s,
		waiting:   prometheus.NewDesc("strm_exporter_waiting_events", "Events accepted and not yet delivered: the lag.", of, nil),
		state:     prometheus.NewDesc("strm_exporter_state", "1 for the state the exporter is in: running, retrying, blocked, paused.", append(of, "state"), nil),
		delivered: prometheus.NewDesc("strm_exporter_last_delivery_timestamp_seconds", "When the exporter last delivered a batch since the server began.", of, nil),
		health:    prometheus.NewDesc("strm_sink_health", "1 if the sink could be written to when it was last heard of, 0 if not.", []string{"sink"}, nil),
		packed:    prometheus.NewDesc("strm_log_packed_bytes", "Compressed bytes of the events kept.", nil, nil),
		disk:      prometheus.NewDesc("strm_log_disk_bytes", "Bytes of the log's files.", nil, nil),
		free:      prometheus.NewDesc("strm_disk_free_bytes", "Bytes free on the disk of the log.", nil, nil),
		appends:   prometheus.NewDesc("strm_log_appends_total", "Requests stored.", nil, nil),
		commits:   prometheus.NewDesc("strm_log_commits_total", "Atomic commits; appends over commits is the size of a group.", nil, nil),
		full:      prometheus.NewDesc("strm_log_full_total", "Requests refused for want of room.", nil, nil),
		buffered:  prometheus.NewDesc("strm_kafka_buffered_bytes", "Bytes of events on their way to brokers.", nil, nil),
		nodes:     prometheus.NewDesc("strm_nodes", "Nodes that live, as this one knows; 0 while it has no lease itself.", nil, nil),
	}, newImportGauges(s))
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(g, ch) }

// Collect implements prometheus.Collector.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	if l := g.server.embedded; l != nil {
		st := l.Stats()
		gauge(g.packed, float64(st.Packed))
		gauge(g.disk, float64(st.Disk))
		gauge(g.free, float64(st.Free))
		count(g.appends, st.Appends)
		count(g.commits, st.Commits)
		count(g.full, st.Refused)
	}
	if l := g.server.kafka; l != nil {
		st := l.Stats()
		count(g.appends, uint64(st.Appends))
		count(g.full, uint64(st.Refused))
		gauge(g.buffered, float64(st.Buffered))
		gauge(g.nodes, float64(g.server.member.Live()))
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	sinks, err := g.server.catalog.Sinks(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.health, err)
		return
	}
	for i := range sinks {
		switch sinks[i].Health.Status {
		case stream.HealthOK:
			gauge(g.health, 1, sinks[i].Name)
		case stream.HealthFailing:
			gauge(g.health, 0, sinks[i].Name)
		case stream.HealthUnknown:
		}
	}
	exporters, err := g.server.catalog.Exporters(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.waiting, err)
		return
	}
	for _, e := range exporters {
		if !g.server.runner.Owns(e.ID) {
			continue // its node tells
		}
		s := g.server.runner.Status(e.ID)
		gauge(g.waiting, float64(s.Waiting), e.Name, e.Stream, e.Sink)
		for _, state := range []string{exporter.StateRunning, exporter.StateRetrying, exporter.StateBlocked, exporter.StatePaused} {
			v := 0.0
			if s.State == state {
				v = 1
			}
			gauge(g.state, v, e.Name, e.Stream, e.Sink, state)
		}
		if !s.LastDeliveryAt.IsZero() {
			gauge(g.delivered, float64(s.LastDeliveryAt.UnixMilli())/1000, e.Name, e.Stream, e.Sink)
		}
	}
}
