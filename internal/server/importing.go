package server

import (
	"context"
	"strings"

	"strm/internal/builtin"
	"strm/internal/catalog"
	"strm/internal/collect/notices"
	"strm/internal/eventfile"
	"strm/internal/importer"
	"strm/internal/notice/sns"
	"strm/internal/notice/sqs"
	"strm/internal/seal"
	"strm/internal/stream"
)

var (
	_ importer.Ledger  = (*catalog.DB)(nil)
	_ importer.Catalog = (*catalog.DB)(nil)
	_ notices.Ledger   = (*catalog.DB)(nil)
)

// newImporter assembles what imports event files.
func (s *Server) newImporter(sealer *seal.Sealer) *importer.Runner {
	o := importer.Options{
		Log: s.log, Ledger: s.catalog, Catalog: s.catalog, Open: importer.Opener(s.opener(sealer)), Room: s.ingester.HasRoom, Poll: s.pollQueue(sealer),
		OpenFile: importer.Parquet(s.cfg.spoolDir(), eventfile.Limits{Row: s.cfg.MaxEvent}), Logger: s.cfg.Logger, Observer: importMetrics{s.metrics}, Backoff: s.cfg.ImportBackoff,
	}
	if s.member != nil {
		o.Members = s.member
	}
	return importer.New(o)
}

// pollQueue listens to the queue of an importer, as whoever its sink is.
func (s *Server) pollQueue(sealer *seal.Sealer) importer.Poll {
	return func(ctx context.Context, i stream.Importer, h importer.Hearer) error {
		sink, err := s.catalog.Sink(ctx, i.Sink)
		if err != nil {
			return err
		}
		c, err := s.credential(sealer, sink)
		if err != nil {
			return err
		}
		session, err := s.catalog.Installation(ctx)
		if err != nil {
			return err
		}
		p, err := builtin.OpenQueue(ctx, sink, c, session, i.QueueURL, i.TopicARN, sqs.Deps{
			Take: h.Take, Problem: h.Problem, Logger: s.cfg.Logger,
			Parked: func() { s.metrics.notices.WithLabelValues(i.Name, "sqs", "unreadable").Inc() },
		})
		if err != nil {
			return err
		}
		defer p.Close()
		return p.Run(ctx)
	}
}

// newNotices assembles what takes notices from topics.
func (s *Server) newNotices() *notices.Handler {
	return notices.New(notices.Deps{
		Ledger: s.catalog, Verifier: sns.New(sns.Options{}), Wake: s.importer.Wake, Logger: s.cfg.Logger,
		Bucket: func(ctx context.Context, i stream.Importer) (string, error) {
			sink, err := s.catalog.Sink(ctx, i.Sink)
			return sink.Bucket, err
		},
		Observe: func(name string, o notices.Outcome) { s.metrics.notices.WithLabelValues(name, "sns", string(o)).Inc() },
	})
}

// noticeURL is what the addresses of notification endpoints begin with. SNS asks
// for https; without it only the path is known.
func (s *Server) noticeURL() string {
	path := notices.Endpoint("")
	if s.public == nil || s.public.Scheme != "https" {
		return path
	}
	return strings.TrimSuffix(s.public.String(), "/") + path
}
