package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"strm/internal/catalog/postgres"
	"strm/internal/catalog/sqlite"
	"strm/internal/durable"
	"strm/internal/eventlog/embedded"
	"strm/internal/eventlog/kafka"
	"strm/internal/migrate"
	"strm/internal/node"
	"strm/internal/problem"
	"strm/internal/record"
	"strm/internal/record/registry"
	"strm/internal/secrets"
	"strm/internal/stream"
)

// openState opens what the server keeps events, configuration and ledger in.
func (s *Server) openState(ctx context.Context) error {
	for _, dir := range []string{s.cfg.Data, s.cfg.spoolDir()} {
		if err := durable.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	// A node of several has no state in Data, but another process that has it
	// would sweep the spool from under it.
	lock, err := durable.Lock(s.cfg.lockPath())
	if errors.Is(err, durable.ErrLocked) {
		return problem.New(problem.Conflict, "%s is in use by another process", s.cfg.Data)
	}
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	s.closers = append(s.closers, lock.Close)
	if s.cfg.Catalog == "" { // the one in Data
		if err := migrate.Check(s.cfg.Data); err != nil {
			return err
		}
	}
	if s.cfg.Log == "" {
		return s.openEmbedded(ctx)
	}
	return s.openShared(ctx)
}

// openEmbedded opens the state of a single machine, which is all in Data.
func (s *Server) openEmbedded(ctx context.Context) (err error) {
	cfg := &s.cfg
	l, err := embedded.Open(cfg.logDir(), embedded.Options{
		Logger: cfg.Logger, MinFree: cfg.MinFreeDisk, MaxBytes: cfg.LogMaxBytes, KeyTTL: cfg.IdempotencyWindow,
	})
	if err != nil {
		return err
	}
	s.log, s.embedded = l, l
	if err := s.openSQLite(ctx); err != nil {
		return err
	}
	if err := s.topicsBelong(ctx, false); err != nil {
		return err
	}
	s.secrets, err = secrets.Open(cfg.Secrets, true)
	return err
}

func (s *Server) openSQLite(ctx context.Context) (err error) {
	if err := sweepSpool(s.cfg.spoolDir()); err != nil {
		return fmt.Errorf("spool directory: %w", err)
	}
	s.catalog, err = sqlite.Open(ctx, s.cfg.catalogPath())
	return err
}

// openShared opens the state of a node: events in Kafka, and the rest in
// PostgreSQL, or in Data if this is the only node.
func (s *Server) openShared(ctx context.Context) error {
	cfg := &s.cfg
	// What is wrong in the addresses is told before anybody is asked.
	options, err := kafka.Parse(cfg.Log)
	if err != nil {
		return err
	}
	if options.Password == "" {
		options.Password = cfg.KafkaPassword
	}
	if cfg.SchemaRegistry != "" {
		if s.registry, err = registry.New(registry.Options{URL: cfg.SchemaRegistry, Password: cfg.RegistryKey, Limit: cfg.MaxEvent}); err != nil {
			return err
		}
		s.closers = append(s.closers, func() error { s.registry.Close(); return nil })
	}
	if err := s.openSharedCatalog(ctx); err != nil {
		return err
	}
	m, err := s.catalog.Migration(ctx)
	if err != nil {
		return err
	}
	if !m.Began.IsZero() && !m.Done {
		return problem.New(problem.Conflict, "the state of %s is moving here since %s and has not come to its end: run strm migrate again", m.From, m.Began.Format(time.DateTime))
	}
	if err := s.topicsBelong(ctx, true); err != nil {
		return err
	}
	s.member = node.New(node.Options{Registry: s.catalog, Name: cfg.NodeName, Version: cfg.Version, Lease: cfg.Lease, Logger: cfg.Logger})
	if err := s.openSecrets(ctx); err != nil {
		return err
	}
	options.Topics, options.Names, options.Node, options.Values, options.Logger = s.catalog, s.catalog, s.member.Self(), s.values, cfg.Logger
	options.KeyTTL, options.MaxEventLen = cfg.IdempotencyWindow, max(kafka.DefaultMaxEventLen, cfg.MaxEvent+metaRoom)
	if s.kafka, err = kafka.Open(options); err != nil {
		return err
	}
	s.log = s.kafka
	return s.patiently(ctx, "Kafka", s.kafka.Ping)
}

func (s *Server) openSharedCatalog(ctx context.Context) (err error) {
	if s.cfg.Catalog == "" {
		if err := s.openSQLite(ctx); err != nil {
			return err
		}
		// Nobody else can have this file: nodes in it are starts of the past.
		nodes, err := s.catalog.Nodes(ctx)
		for _, n := range nodes {
			err = errors.Join(err, s.catalog.Leave(ctx, n.ID))
		}
		return err
	}
	if err := sweepSpool(s.cfg.spoolDir()); err != nil {
		return fmt.Errorf("spool directory: %w", err)
	}
	return s.patiently(ctx, "PostgreSQL", func(ctx context.Context) (err error) {
		s.catalog, err = postgres.Open(ctx, s.cfg.Catalog, postgres.Options{})
		return err
	})
}

// openSecrets reads the secrets, and compares them with those of other nodes.
func (s *Server) openSecrets(ctx context.Context) (err error) {
	if s.cfg.Catalog == "" {
		s.secrets, err = secrets.Open(s.cfg.Secrets, true)
		return err
	}
	if s.secrets, err = secrets.Open(s.cfg.Secrets, false); err != nil {
		return err
	}
	prints, err := s.secrets.Sealer.Fingerprints()
	if err != nil {
		return err
	}
	if err := s.catalog.AgreeOnKeys(ctx, prints); err != nil {
		return problem.New(problem.KindOf(err), "%s: %w", filepath.Join(s.cfg.Secrets, secrets.KeysFile), err)
	}
	return s.agreeOnToken(ctx)
}

// agreeOnToken compares the token with that of the nodes that live. It is done
// before this node is one of them, so that a wrong one never is, and after, so that
// of two that start together with different tokens one notices.
func (s *Server) agreeOnToken(ctx context.Context) error {
	if s.cfg.Catalog == "" {
		return nil
	}
	installation, err := s.catalog.Installation(ctx)
	if err != nil {
		return err
	}
	print, err := secrets.TokenFingerprint(s.secrets.Token, installation)
	if err != nil {
		return err
	}
	if err := s.catalog.AgreeOnToken(ctx, s.member.Self(), print); err != nil {
		return problem.New(problem.KindOf(err), "%s: %w", filepath.Join(s.cfg.Secrets, secrets.TokenFile), err)
	}
	return nil
}

// topicsBelong refuses a catalog whose streams are in another kind of log.
func (s *Server) topicsBelong(ctx context.Context, inTopics bool) error {
	streams, err := s.catalog.Streams(ctx)
	if err != nil {
		return err
	}
	for _, st := range streams {
		switch {
		case inTopics && st.Topic.Name == "":
			return problem.New(problem.Conflict, "the events of stream %s are in %s, not in Kafka: start without --log, or move everything with strm migrate", st.Name, s.cfg.logDir())
		case !inTopics && st.Topic.Name != "":
			return problem.New(problem.Conflict, "the events of stream %s are in topic %s: start with --log kafka://...", st.Name, st.Topic.Name)
		}
	}
	return nil
}

// metaRoom is more than strmMeta adds to an event that was let in.
const metaRoom = 64 << 10

// values makes what reads the records of a topic. In a topic of our own nothing is measured
// again: what was let in is delivered, whatever the limit is since.
func (s *Server) values(t stream.Topic) (record.Values, error) {
	switch {
	case !t.Adopted:
		return record.JSON{Limit: -1}, nil
	case t.Values != stream.ValuesRegistry:
		return record.JSON{Limit: cmp.Or(s.cfg.MaxEvent, record.MaxEvent) + metaRoom}, nil
	}
	if s.registry == nil {
		return nil, problem.New(problem.Conflict, "the values of topic %s have ids of a schema registry: start the server with --schema-registry URL", t.Name)
	}
	return s.registry, nil
}

// How often a service is asked that does not answer at the start.
const (
	firstAgain = 250 * time.Millisecond
	lastAgain  = 5 * time.Second
)

// patiently calls open until it succeeds: containers start together, and a
// database takes longer than strm. Only what may pass is tried again.
func (s *Server) patiently(ctx context.Context, what string, open func(context.Context) error) error {
	end := time.Now().Add(s.cfg.StartTimeout)
	for wait := firstAgain; ; wait = min(2*wait, lastAgain) {
		err := open(ctx)
		left := time.Until(end)
		if err == nil || ctx.Err() != nil || problem.KindOf(err) != problem.Unavailable {
			return err
		}
		if left <= 0 {
			return problem.New(problem.Unavailable, "%s is not there after %s (--start-timeout): %w", what, max(s.cfg.StartTimeout, 0), err)
		}
		s.cfg.Logger.Warn("waiting for what is not there yet", slog.String("what", what), slog.Duration("left", left.Truncate(time.Millisecond)), slog.Any("error", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(wait, left)):
		}
	}
}
