package cli

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"strm/internal/server"
)

// defaultData is where the state is, below the working directory, until told
// otherwise.
const defaultData = ".strm"

// serve runs the server in this process.
func (a *app) serve() *cobra.Command {
	var (
		cfg                 server.Config
		maxBody, maxEvent   = size(16 << 20), size(1 << 20)
		logMax, minFree     = size(0), size(1 << 30)
		proxies             prefixes
		logFormat, logLevel string
	)
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server: it takes events in, keeps them in a durable log and carries
them to buckets. All state is in one directory, which one server at a time may
use. The first start makes an admin token in DATA/admin.token.

With --log kafka://... and --catalog postgres://... it is a node of several,
which are equal and share all state but the directory: that holds only files
under work, and may be empty at each start. Make the secrets that nodes share
with "strm init", and see docs/scale-out.md. Passwords are better in
STRM_KAFKA_PASSWORD and PGPASSWORD (or a passfile) than in the addresses; they
are never shown. With --log alone it is one node whose events are in Kafka.

It listens on loopback until told otherwise. Behind any other address use TLS:
write keys and the admin token travel in headers.

Every flag can also be given as STRM_<FLAG> in the environment (STRM_LISTEN,
STRM_LOG_MAX_BYTES) or in the config file (listen: ..., log-max-bytes: ...);
flags win over the environment, the environment over the file.

An interrupt or SIGTERM stops it in order: requests and uploads under way get
the grace period; whatever they leave is in the ledger and goes on at the next
start. kill -9 is safe too.`,
		Example: `  strm serve --data /var/lib/strm
  strm serve --data .strm --listen 0.0.0.0:7766 --tls-cert cert.pem --tls-key key.pem
  STRM_DATA=/var/lib/strm strm serve --log-format json
  strm serve --secrets /etc/strm/secrets --log 'kafka://k1:9092,k2:9092,k3:9092' --catalog 'postgres://strm@db:5432/strm'
  strm serve --secrets /etc/strm/secrets --log 'kafka://strm@k1:9093?tls=true&sasl=scram-sha-512' --catalog 'postgres://strm@db/strm?sslmode=verify-full' --node-name a`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fill(cmd); err != nil {
				return err
			}
			if cfg.IdempotencyWindow < server.MinIdempotencyWindow {
				return usagef("--idempotency-window %s: use %s or more", cfg.IdempotencyWindow, server.MinIdempotencyWindow)
			}
			logger, err := newLogger(cmd, logFormat, logLevel)
			if err != nil {
				return err
			}
			if cfg.Lease < server.MinLease {
				return usagef("--lease %s: use %s or more", cfg.Lease, server.MinLease)
			}
			if cfg.StartTimeout == 0 {
				cfg.StartTimeout = -1 // asked for: no waiting
			}
			cfg.KafkaPassword, cfg.RegistryKey = a.env("STRM_KAFKA_PASSWORD"), a.env("STRM_SCHEMA_REGISTRY_PASSWORD")
			cfg.TrustedProxies = proxies
			cfg.Data, cfg.Version, cfg.Logger = a.settings.Data, a.deps.Version, logger
			if cfg.Data == "" {
				cfg.Data = defaultData
			}
			cfg.MaxBody, cfg.MaxEvent, cfg.LogMaxBytes, cfg.MinFreeDisk = int64(maxBody), int(maxEvent), int64(logMax), int64(minFree)
			if cfg.SinkCheckInterval < 0 {
				return usagef("--sink-check-interval %s: use %s or more, or 0 for never", cfg.SinkCheckInterval, server.MinSinkCheckInterval)
			}
			if cfg.SinkCheckInterval == 0 {
				cfg.SinkCheckInterval = -1 // asked for: never
			}
			if cfg.MinFreeDisk == 0 {
				cfg.MinFreeDisk = -1 // asked for: no reserve
			}
			s, err := server.Open(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return s.Run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", server.DefaultListen, "address to listen on")
	f.StringVar(&cfg.TLSCert, "tls-cert", "", "PEM file with the server's certificate chain")
	f.StringVar(&cfg.TLSKey, "tls-key", "", "PEM file with its key")
	f.StringVar(&cfg.Log, "log", "", "where events are kept: kafka://[USER@]HOST:PORT,...[?tls=true&sasl=...] (default: in the data directory)")
	f.StringVar(&cfg.Catalog, "catalog", "", "where configuration and ledger are: postgres://USER@HOST/DATABASE[?sslmode=...] (default: in the data directory)")
	f.StringVar(&cfg.Secrets, "secrets", "", "directory of admin.token and seal.keys (default: the data directory)")
	f.StringVar(&cfg.NodeName, "node-name", "", "name of this node, for people (default: host and port)")
	f.DurationVar(&cfg.Lease, "lease", server.DefaultLease, "when this node is silent for so long, others take its work over; 3s or more")
	f.DurationVar(&cfg.StartTimeout, "start-timeout", server.DefaultStartTimeout, "how long to wait at the start until Kafka and PostgreSQL answer (0: do not wait)")
	f.StringVar(&cfg.SchemaRegistry, "schema-registry", "", "https://[USER@]HOST of a Confluent-compatible schema registry, for topics with Avro or JSON Schema (password in STRM_SCHEMA_REGISTRY_PASSWORD)")
	f.BoolVar(&cfg.AllowShortIntervals, "allow-short-intervals", false, "allow intervals below 30s, down to 1s: for tests and demonstrations, many small files otherwise")
	f.Var(&maxBody, "max-body", "largest intake request, decompressed")
	f.Var(&maxEvent, "max-event", "largest event")
	f.Var(&logMax, "log-max-bytes", "most compressed bytes to keep of all streams; near the bound delivered events go early, at it intake answers 429 (0: no bound)")
	f.Var(&minFree, "min-free-disk", "bytes that stay free on the disk; near them delivered events go early, below them intake answers 429 (0: no reserve, a full disk then ends the process)")
	f.DurationVar(&cfg.IdempotencyWindow, "idempotency-window", 24*time.Hour, "how long an Idempotency-Key is remembered, 1m or more")
	f.DurationVar(&cfg.Grace, "grace", 10*time.Second, "how long requests and uploads under way may go on when stopping")
	f.DurationVar(&cfg.SinkCheckInterval, "sink-check-interval", time.Hour, "try sinks again of which nothing was heard for so long, 1m or more (0: never)")
	f.StringVar(&cfg.PublicURL, "public-url", "", "where browsers, phones and SNS reach this server, as https://events.example.org; Segment SDKs are told so, and the notification endpoints of batch importers begin with it (default for SDKs: what they asked)")
	f.StringVar(&cfg.AnalyticsJS, "analytics-js", "", "directory of the unpacked npm package @segment/analytics-next: serve it to pages with Segment's HTML snippet")
	f.Var(&proxies, "trusted-proxies", "addresses or networks of proxies, with commas between, whose X-Forwarded-For, -Proto and -Host count (or Forwarded)")
	f.BoolVar(&cfg.SegmentWriteKeyInLines, "segment-write-key-in-lines", false, "keep the write key in the raw-log lines of Segment sources")
	f.StringVar(&logFormat, "log-format", "text", "format of the log on standard error: text or json")
	f.StringVar(&logLevel, "log-level", "info", "debug, info, warn or error")
	_ = cmd.MarkFlagFilename("tls-cert", "pem", "crt") // the flags exist: they were made above
	_ = cmd.MarkFlagFilename("tls-key", "pem", "key")
	_ = cmd.MarkFlagDirname("analytics-js")
	_ = cmd.MarkFlagDirname("secrets")
	complete(cmd, "log-format", "text", "json")
	complete(cmd, "log-level", "debug", "info", "warn", "error")
	return cmd
}

// fill gives a command's own flags the values of environment and config file,
// where the command line gave none.
func (a *app) fill(cmd *cobra.Command) error {
	if _, err := a.load(cmd); err != nil {
		return err
	}
	var first error
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || !a.settings.rest.Exists(f.Name) || first != nil {
			return
		}
		if err := f.Value.Set(a.settings.rest.String(f.Name)); err != nil {
			first = usagef("STRM_%s, or %s in the config file: %v", strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_")), f.Name, err)
		}
	})
	return first
}

// size is a flag that takes sizes as people write them.
type size int64

// String, Set and Type implement pflag.Value.
func (s *size) String() string { return strconv.FormatInt(int64(*s), 10) }

// Set reads 1000000, 100MB or 64MiB.
func (s *size) Set(text string) error {
	n, err := parseSize(text)
	if err != nil {
		return err
	}
	*s = size(n)
	return nil
}

// Type names the flag's value in the help.
func (s *size) Type() string { return "size" }

// prefixes is a flag that takes addresses and networks.
type prefixes []netip.Prefix

// String, Set and Type implement pflag.Value.
func (p *prefixes) String() string {
	var texts []string
	for _, one := range *p {
		texts = append(texts, one.String())
	}
	return strings.Join(texts, ",")
}

// Set adds those of 10.0.0.0/8,192.0.2.7,::1.
func (p *prefixes) Set(text string) error {
	all := *p
	for _, one := range strings.Split(text, ",") {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(one)
		if err != nil {
			a, addrErr := netip.ParseAddr(one)
			if addrErr != nil || a.Zone() != "" {
				return usagef("%q: use an address or a network, as 192.0.2.7 or 10.0.0.0/8", one)
			}
			prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
		}
		all = append(all, prefix.Masked())
	}
	*p = all
	return nil
}

// Type names the flag's value in the help.
func (p *prefixes) Type() string { return "networks" }

func newLogger(cmd *cobra.Command, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level %q: use debug, info, warn or error", level)
	}
	o := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(cmd.ErrOrStderr(), o)), nil
	}
	return nil, usagef("--log-format %q: use text or json", format)
}
