// Package server assembles strm from its parts and runs it: it opens the state
// directory, wires the flows to the adapters, serves HTTP and stops in order.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/internal/builtin"
	"strm/internal/catalog"
	"strm/internal/collect/segment"
	"strm/internal/collect/split"
	"strm/internal/control"
	"strm/internal/credential"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/eventlog/kafka"
	"strm/internal/exporter"
	"strm/internal/importer"
	"strm/internal/ingest"
	"strm/internal/migrate"
	"strm/internal/node"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/record/registry"
	"strm/internal/retention"
	"strm/internal/seal"
	"strm/internal/secrets"
	"strm/internal/stream"
)

var (
	_ exporter.Ledger   = (*catalog.DB)(nil)
	_ exporter.Catalog  = (*catalog.DB)(nil)
	_ retention.Catalog = (*catalog.DB)(nil)
	_ retention.Room    = (*embedded.Log)(nil)
	_ exporter.Members  = (*node.Member)(nil)
	_ importer.Members  = (*node.Member)(nil)
	_ kafka.Topics      = (*catalog.DB)(nil)
	_ kafka.Settlement  = (*catalog.DB)(nil)
	_ migrate.Log       = (*kafka.Log)(nil)
	_ control.Catalog   = (*catalog.DB)(nil)
	_ control.Runner    = (*exporter.Runner)(nil)
)

// Server is an opened state with everything that works on it.
type Server struct {
	cfg      Config
	secrets  secrets.Secrets
	catalog  *catalog.DB
	log      eventlog.Log
	embedded *embedded.Log // the log, on a single machine; else nil
	kafka    *kafka.Log    // the log of a node; else nil
	member   *node.Member  // nil on a single machine
	registry *registry.Registry
	closers  []func() error // of what was opened first
	runner   *exporter.Runner
	importer *importer.Runner
	keeper   *retention.Keeper
	control  *control.Control
	ingester *ingest.Ingester
	metrics  *metrics
	public   *url.URL         // nil: what requests are sent to
	scripts  *segment.Scripts // nil: none
	unseen   split.Unseen
	listener net.Listener
	secure   bool // TLS
	http     *http.Server
	ready    atomic.Bool
	stopping context.CancelFunc // tells requests that wait to end
}

// Open opens the state directory and the listener. Nothing runs until Run.
// Another process that has the directory open is an error.
func Open(ctx context.Context, cfg Config) (*Server, error) {
	cfg.setDefaults()
	s := &Server{cfg: cfg, metrics: newMetrics()}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *Server) open(ctx context.Context) (err error) {
	cfg := &s.cfg
	if err := cfg.check(); err != nil {
		return err
	}
	if cfg.PublicURL != "" {
		if s.public, err = segment.ParsePublicURL(cfg.PublicURL); err != nil {
			return err
		}
	}
	if cfg.AnalyticsJS != "" {
		if s.scripts, err = segment.LoadScripts(os.DirFS(cfg.AnalyticsJS)); err != nil {
			return fmt.Errorf("analytics.js in %s: %w", cfg.AnalyticsJS, err)
		}
	}
	if cfg.NodeName == "" {
		cfg.NodeName = nodeName(cfg.Listen)
	}
	if err := s.openState(ctx); err != nil {
		return err
	}
	s.assemble(s.secrets.Sealer)
	strangers, err := s.control.FinishDeletions(ctx)
	if s.kafka != nil && problem.KindOf(err) == problem.Unavailable && ctx.Err() == nil {
		cfg.Logger.Warn("what is left of deleted streams is removed at the next start", slog.Any("error", err))
		return s.listen(ctx)
	}
	if err != nil {
		return err
	}
	if len(strangers) > 0 {
		return problem.New(problem.Conflict, "%s holds events of %d streams that %s does not know (%s). The catalog was lost, or is older than the log. "+
			"Put back the one that belongs to it; to give those events up, move both away and start anew", cfg.logDir(), len(strangers), cfg.catalogPath(), strings.Join(strangers, ", "))
	}
	return s.listen(ctx)
}

// nodeName is what the address says of this process: host and port.
func nodeName(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

func (s *Server) assemble(sealer *seal.Sealer) {
	trimming := s.catalog.Locker("trimming")
	exports := exporter.Options{
		Log: s.log, Ledger: s.catalog, Catalog: s.catalog, Open: s.opener(sealer), Format: builtin.Format,
		SpoolDir: s.cfg.spoolDir(), Logger: s.cfg.Logger, Observer: s.metrics, Backoff: s.cfg.Backoff, Grace: s.cfg.Grace,
	}
	s.keeper = &retention.Keeper{Log: s.log, Catalog: s.catalog, Logger: s.cfg.Logger, Trimming: trimming}
	deps := control.Deps{
		Catalog: s.catalog, Log: s.log, Sealer: sealer, CheckOutput: builtin.CheckOutput, Writes: builtin.Writes,
		Trimming: trimming, Changes: s.catalog.Locker("configuration"), Shared: s.cfg.Catalog != "",
		Node:    stream.Node{ID: "0", Name: s.cfg.NodeName, Version: s.cfg.Version, StartedAt: time.Now(), Alive: true},
		Options: control.Options{AllowShortIntervals: s.cfg.AllowShortIntervals, NoticeURL: s.noticeURL()},
	}
	if s.embedded != nil {
		s.keeper.Room = s.embedded
	}
	if s.kafka != nil {
		exports.Members, exports.Commit = s.member, s.kafka.Commit
		s.keeper.Owns = func() bool { return s.member.Owns(retention.Duty) }
		deps.Topics, deps.Node.ID = s.kafka, s.member.Self()
	}
	s.runner = exporter.New(exports)
	s.ingester = ingest.New(s.log, ingest.Options{MaxEventBytes: s.cfg.MaxEvent, Observer: s.metrics})
	s.importer = s.newImporter(sealer)
	deps.Runner, deps.WakeImporters = s.runner, s.importer.Wake
	s.control = control.New(deps)
	s.metrics.watch(s)
}

func (s *Server) opener(sealer *seal.Sealer) exporter.Opener {
	return func(ctx context.Context, sink stream.Sink) (objstore.Bucket, error) {
		// In the logs of the vendor a role's session tells which strm it was.
		session, err := s.catalog.Installation(ctx)
		if err != nil {
			return nil, err
		}
		c, err := s.credential(sealer, sink)
		if err != nil {
			return nil, err
		}
		b, err := builtin.OpenBucket(ctx, sink, c, session)
		if err != nil {
			// Opening talks to nobody: what fails here fails again.
			return nil, problem.New(problem.Invalid, "open sink %s: %w", sink.Name, err)
		}
		return b, nil
	}
}

// credential returns as whom the sink's bucket is asked.
func (s *Server) credential(sealer *seal.Sealer, sink stream.Sink) (credential.Credential, error) {
	if len(sink.Credentials) == 0 {
		return credential.Ambient(), nil
	}
	file, err := sealer.Open(sink.Credentials, control.SinkSecret(sink.Name))
	if err != nil {
		return credential.Credential{}, err
	}
	return credential.Parse(file, string(sink.Type))
}

func (s *Server) listen(ctx context.Context) error {
	if (s.cfg.TLSCert == "") != (s.cfg.TLSKey == "") {
		return problem.New(problem.Invalid, "give both --tls-cert and --tls-key, or neither")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return problem.New(problem.Unavailable, "listen on %s: %w", s.cfg.Listen, err)
	}
	if s.cfg.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(s.cfg.TLSCert, s.cfg.TLSKey)
		if err != nil {
			return errors.Join(problem.New(problem.Invalid, "TLS certificate: %w", err), l.Close())
		}
		s.secure = true
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	s.listener = l
	return nil
}

// Addr returns the address the server listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// AdminToken returns the token of the control plane.
func (s *Server) AdminToken() string { return s.secrets.Token }

// Run serves until ctx ends, then stops: no new requests, running requests and
// rounds of batches get the grace period; a node signs off when its work has
// ended; the log and the catalog close last. It returns nil after an orderly
// stop. A Server runs once.
func (s *Server) Run(ctx context.Context) error {
	return errors.Join(s.live(ctx), s.close())
}

// live is what a node does from signing on to signing off, and a single machine
// from beginning to end.
func (s *Server) live(ctx context.Context) error {
	if s.member == nil {
		return s.work(ctx)
	}
	// Before anything is done: what this node owns is known then.
	if err := s.patiently(ctx, "PostgreSQL", s.member.Join); err != nil {
		return ignoreEnd(ctx, err)
	}
	// It lives until its work has ended, and is signed off even if that was refused.
	lives, end := context.WithCancel(context.WithoutCancel(ctx))
	gone := make(chan error, 1)
	go func() { gone <- ignoreEnd(lives, s.member.Run(lives)) }()
	err := s.agreeOnToken(ctx)
	if err == nil {
		err = s.work(ctx)
	}
	end()
	return errors.Join(ignoreEnd(ctx, err), <-gone)
}

// work does all that a server does.
func (s *Server) work(ctx context.Context) error {
	stopping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.stopping = stop
	handler, err := s.routes(ctx, stopping)
	if err == nil {
		err = s.runner.Load(ctx)
	}
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, run := range s.runners() {
		g.Go(func() error { return ignoreEnd(gctx, run(gctx)) })
	}
	g.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		return s.stopServing(ctx)
	})
	if tcp, ok := s.listener.Addr().(*net.TCPAddr); ok && !s.secure && !tcp.IP.IsLoopback() {
		s.cfg.Logger.Warn("others can reach this address, and tokens and keys travel in the clear: use --tls-cert and --tls-key, or a proxy that does TLS", slog.String("address", s.Addr()))
	}
	s.ready.Store(true)
	told := []any{slog.String("address", s.Addr()), slog.String("data", s.cfg.Data), slog.String("version", s.cfg.Version)}
	if s.member != nil {
		told = append(told, slog.String("node", s.member.Self()), slog.String("name", s.cfg.NodeName))
	}
	s.cfg.Logger.Info("strm serves", told...)
	err = g.Wait()
	s.cfg.Logger.Info("strm stops")
	return err
}

// runners are what runs beside the HTTP server.
func (s *Server) runners() []func(context.Context) error {
	all := []func(context.Context) error{s.runner.Run, s.importer.Run, s.keeper.Run}
	if every := s.cfg.SinkCheckInterval; every > 0 {
		k := &control.SinkChecker{Control: s.control, Logger: s.cfg.Logger, Every: every}
		if s.member != nil {
			k.Owns = func() bool { return s.member.Owns(control.SinksDuty) }
		}
		all = append(all, k.Run)
	}
	if s.embedded != nil {
		return append(all, s.embedded.Run)
	}
	news := &node.Follower{Revision: s.catalog.Revision, Changed: s.reconfigured, Logger: s.cfg.Logger}
	return append(all, s.kafka.Run, news.Run)
}

// reconfigured reads anew what is remembered of the configuration. It does not
// give up: the news comes once.
func (s *Server) reconfigured(ctx context.Context) {
	for told := false; ; told = true {
		s.control.ConfigurationChanged()
		err := errors.Join(s.describeTopics(ctx), s.runner.Refresh(ctx))
		if err == nil || ctx.Err() != nil {
			return
		}
		if !told {
			s.cfg.Logger.Warn("what was changed of streams and batch exporters cannot be read", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(node.DefaultEvery):
		}
	}
}

// describeTopics tells the log what streams say of their topics, and who waits because of
// what they said before.
func (s *Server) describeTopics(ctx context.Context) error {
	streams, err := s.catalog.Streams(ctx)
	if err != nil {
		return err
	}
	topics := make(map[string]stream.Topic, len(streams))
	for _, st := range streams {
		topics[st.ID] = st.Topic
	}
	for _, id := range s.kafka.Describe(topics) {
		s.runner.StreamChanged(id)
	}
	return nil
}

// ignoreEnd turns the end of the run into no error.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return nil
	}
	return err
}

func (s *Server) stopServing(ctx context.Context) error {
	s.ready.Store(false)
	s.stopping()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Grace)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(problem.New(problem.Unavailable, "requests were cut off after %v: %w", s.cfg.Grace, err), s.http.Close())
	}
	return nil
}

// close releases what open took, in the opposite order.
func (s *Server) close() error {
	var errs []error
	if s.listener != nil {
		if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	// The log of a node settles names in the catalog until it is closed.
	if s.kafka != nil {
		errs = append(errs, s.kafka.Close())
	}
	if s.catalog != nil {
		errs = append(errs, s.catalog.Close())
	}
	if s.embedded != nil {
		errs = append(errs, s.embedded.Close())
	}
	for _, c := range slices.Backward(s.closers) {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// sweepSpool removes what a crash left in the spool; its files are of no use to
// anybody but the process that made them.
func sweepSpool(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Remove(dir + string(os.PathSeparator) + e.Name()); err != nil {
			return err
		}
	}
	return nil
}
