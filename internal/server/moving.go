package server

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"strm/internal/catalog"
	"strm/internal/catalog/postgres"
	"strm/internal/control"
	"strm/internal/eventlog/kafka"
	"strm/internal/migrate"
	"strm/internal/problem"
	"strm/internal/secrets"
	"strm/internal/stream"
)

// Migration says what strm migrate moves, and where: Data, Log, Catalog, Secrets,
// KafkaPassword, IdempotencyWindow, StartTimeout and Logger of the Config count.
type Migration struct {
	Config
	TopicPrefix string // before the names of streams, in the names of their topics
	Check       bool   // only look
	Tell        func(format string, args ...any)
}

// Migrate moves the state of a stopped single machine to Kafka and PostgreSQL. See
// package migrate for what happens when it is broken off.
func Migrate(ctx context.Context, m Migration) (err error) {
	secretsDir := m.Secrets
	m.setDefaults()
	switch {
	case m.Data == "":
		return problem.New(problem.Invalid, "name the data directory of the node that moves (--data DIR)")
	case m.Log == "" || m.Catalog == "":
		return problem.New(problem.Invalid, "say where to: --log kafka://... and --catalog postgres://...")
	}
	options, err := kafka.Parse(m.Log)
	if err != nil {
		return err
	}
	if options.Password == "" {
		options.Password = m.KafkaPassword
	}
	s := &Server{cfg: m.Config}
	if err := s.patiently(ctx, "PostgreSQL", func(ctx context.Context) (err error) {
		s.catalog, err = postgres.Open(ctx, m.Catalog, postgres.Options{})
		return err
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	options.Topics, options.Logger, options.Node = s.catalog, m.Logger, "migrate"
	if s.kafka, err = kafka.Open(options); err != nil {
		return err
	}
	if err := s.patiently(ctx, "Kafka", s.kafka.Ping); err != nil {
		return err
	}
	return migrate.Run(ctx, migrate.Options{
		Data: m.Data, Secrets: secretsDir, Catalog: s.catalog, Log: s.kafka, KeyTTL: m.IdempotencyWindow, Check: m.Check, Tell: m.Tell, Logger: m.Logger,
		TopicName: func(s stream.Stream) string { return m.TopicPrefix + s.Name },
		Home:      migrate.Moved{Log: shown(m.Log), Catalog: shown(m.Catalog)},
		Opens:     opensSinks, Agree: s.agreeAsMoved,
	})
}

// opensSinks opens the credentials of a node's sinks with the secrets in dir.
func opensSinks(ctx context.Context, dir string, old *catalog.DB) error {
	held, err := secrets.Open(dir, false)
	if err != nil {
		return err
	}
	sinks, err := old.Sinks(ctx)
	if err != nil {
		return err
	}
	for _, sink := range sinks {
		if len(sink.Credentials) == 0 {
			continue
		}
		if _, err := held.Sealer.Open(sink.Credentials, control.SinkSecret(sink.Name)); err != nil {
			return fmt.Errorf("sink %s: %w", sink.Name, err)
		}
	}
	return nil
}

// agreeAsMoved gives the new catalog the fingerprints of the old node's secrets.
func (s *Server) agreeAsMoved(ctx context.Context, dir string) (err error) {
	if s.secrets, err = secrets.Open(dir, false); err != nil {
		return err
	}
	prints, err := s.secrets.Sealer.Fingerprints()
	if err != nil {
		return err
	}
	return s.catalog.AgreeOnKeys(ctx, prints)
}

// shown is an address without what may be secret in it: user, password and
// parameters.
func shown(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "?")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if _, err := url.PathUnescape(rest); err != nil {
		return scheme + "://"
	}
	return scheme + "://" + rest
}
