package cli

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/server"
)

// migrate moves a single machine's state to Kafka and PostgreSQL.
func (a *app) migrate() *cobra.Command {
	var m server.Migration
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Move a stopped single node to Kafka and PostgreSQL",
		Long: `Move the state of a stopped single node to Kafka and PostgreSQL: streams,
sources, sinks, batch exporters and the ledger into an empty database, events
into topics that it makes, idempotency keys, event ids and marks of imports to
where nodes settle them. Offsets stay, so nothing is missing in the buckets and
nothing is there twice: unfinished batches go on with the same objects.

It can be stopped at any time and run again: it goes on where it was. Until it
is complete no node starts on the new home, and the old node may be started
again; what that does meanwhile is moved by the next run. At the end everything
is read back and compared; then the old directory is marked, and strm serve
refuses it.

Give it the --idempotency-window that the node had. Topics have the streams'
names, after --topic-prefix; one that is there already is never written to.
Passwords are better in STRM_KAFKA_PASSWORD and PGPASSWORD than in the addresses.`,
		Example: `  strm migrate --data /var/lib/strm --log 'kafka://k1:9092,k2:9092' --catalog 'postgres://strm@db/strm' --check
  strm migrate --data /var/lib/strm --log 'kafka://k1:9092,k2:9092' --catalog 'postgres://strm@db/strm' --secrets /etc/strm/secrets`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fill(cmd); err != nil {
				return err
			}
			if m.IdempotencyWindow < server.MinIdempotencyWindow {
				return usagef("--idempotency-window %s: use %s or more", m.IdempotencyWindow, server.MinIdempotencyWindow)
			}
			if m.StartTimeout == 0 {
				m.StartTimeout = -1 // asked for: no waiting
			}
			m.Data, m.KafkaPassword = a.settings.Data, a.env("STRM_KAFKA_PASSWORD")
			if m.Data == "" {
				m.Data = defaultData
			}
			m.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			m.Tell = func(format string, args ...any) {
				_, _ = fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...) // progress: the outcome is the exit code
			}
			return server.Migrate(cmd.Context(), m)
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.Log, "log", "", "where events go: kafka://[USER@]HOST:PORT,...[?tls=true&sasl=...]")
	f.StringVar(&m.Catalog, "catalog", "", "where configuration and ledger go: postgres://USER@HOST/DATABASE[?sslmode=...]; an empty database")
	f.StringVar(&m.Secrets, "secrets", "", "directory that gets a copy of admin.token and seal.keys, or that has them, if the node was started with --secrets (default: they are and stay in the data directory)")
	f.StringVar(&m.TopicPrefix, "topic-prefix", "", "begin the names of topics with this")
	f.DurationVar(&m.IdempotencyWindow, "idempotency-window", 24*time.Hour, "how long an Idempotency-Key is remembered")
	f.DurationVar(&m.StartTimeout, "start-timeout", server.DefaultStartTimeout, "how long to wait at the start until Kafka and PostgreSQL answer (0: do not wait)")
	f.BoolVar(&m.Check, "check", false, "look whether it can move, tell what would, and change nothing (but for making tables in an empty database)")
	_ = cmd.MarkFlagDirname("secrets") // the flag exists: it was made above
	return cmd
}
