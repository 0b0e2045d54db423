package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"strm/internal/objstore"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/server"
)

// What the demonstration calls things.
const (
	demoBucket = "strm-demo"
	demoKeyID  = "AKIASTRMDEMO00000000"
	demoSecret = "strm-demo-secret-of-no-value"
)

// demo shows the main job on one machine.
func (a *app) demo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo [FILE.ndjson]",
		Short: "Show everything on this machine: events in, files in a bucket",
		Long: `Show everything on this machine. Demo starts a strm server and a small S3
endpoint on loopback, makes a stream, a sink and a batch exporter, sends events
(those of FILE, one JSON object a line, or made-up clickstream events), waits
until they are in the bucket, lists the bucket through the S3 API, shows the
head of one file and audits the delivery. Each step is printed as the command
that does it. Then it stops and removes what it made.

With --keep it stays up, and prints what to try next.`,
		Example: `  strm demo
  strm demo events.ndjson
  strm demo --events 100000 --compression gzip
  strm demo --keep`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.file = args[0]
			}
			d := demonstration{options: o, deps: a.deps, out: cmd.OutOrStdout()}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.events, "events", 1000, "events to make up when no FILE is given")
	cmd.Flags().StringVar(&o.compression, "compression", "none", "compression of the files: none, gzip or zstd")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "stay up afterwards")
	complete(cmd, "compression", "none", "gzip", "zstd")
	return cmd
}

type demoOptions struct {
	file        string
	events      int
	compression string
	keep        bool
}

// demonstration is one run of it.
type demonstration struct {
	options  demoOptions
	deps     Deps
	out      io.Writer
	dir      string
	endpoint string   // of the bucket
	server   string   // URL
	env      []string // of the commands
}

func (d *demonstration) run(ctx context.Context) (err error) {
	if d.dir, err = os.MkdirTemp("", "strm-demo-"); err != nil {
		return surroundings("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, gctx := errgroup.WithContext(ctx)
	if err := d.startS3(gctx, g); err != nil {
		return err
	}
	if err := d.startServer(gctx, g); err != nil {
		stop()
		return errors.Join(err, g.Wait())
	}
	err = d.show(gctx)
	if err == nil && d.options.keep {
		d.invite()
		<-gctx.Done()
	}
	stop()
	return errors.Join(err, g.Wait())
}

// startS3 serves a bucket on loopback.
func (d *demonstration) startS3(ctx context.Context, g *errgroup.Group) error {
	s, err := s3server.New(s3server.Options{Dir: filepath.Join(d.dir, "s3"), Region: "us-east-1"})
	if err != nil {
		return err
	}
	if err := s.CreateBucket(demoBucket); err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return surroundings("demo: %w", err)
	}
	d.endpoint = "http://" + l.Addr().String()
	h := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // a library's remarks are not part of the show
	}
	g.Go(func() error {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return h.Close()
	})
	return nil
}

func (d *demonstration) startServer(ctx context.Context, g *errgroup.Group) error {
	s, err := server.Open(ctx, server.Config{
		Data: filepath.Join(d.dir, "data"), Listen: "127.0.0.1:0", AllowShortIntervals: true, Version: d.deps.Version,
		MinFreeDisk: 128 << 20, Logger: slog.New(slog.NewTextHandler(d.deps.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	d.server = "http://" + s.Addr()
	d.env = append(append([]string(nil), d.deps.Env...), "STRM_SERVER="+d.server, "STRM_TOKEN="+s.AdminToken(), "STRM_TOKEN_FILE=", "STRM_OUTPUT=")
	g.Go(func() error { return s.Run(ctx) })
	return nil
}

// show goes through the main job, command by command.
func (d *demonstration) show(ctx context.Context) error {
	creds := filepath.Join(d.dir, "s3.json")
	if err := os.WriteFile(creds, demoCredentials(), 0o600); err != nil {
		return err
	}
	d.say("A strm server and an S3 endpoint (%s) run on this machine.\n", d.endpoint)
	send := []string{"simulate", "demo", "--count", fmt.Sprint(d.options.events), "--rate", "100000"}
	if d.options.file != "" {
		send = []string{"send", "demo", d.options.file}
	}
	for _, args := range [][]string{
		{"create", "stream", "demo", "-o", "table"},
		{"create", "sink", "s3", demoBucket, "--credentials-file", creds, "--endpoint", d.endpoint, "--path-style"},
		{"create", "batch-exporter", "demo", "--sink", "s3", "--path-prefix", "events", "--interval", "1s", "--compression", d.options.compression, "-o", "table"},
		send,
		{"flush", "s3-demo", "--wait"},
		{"list", "batches", "s3-demo", "-o", "table"},
	} {
		if err := d.command(ctx, args...); err != nil {
			return err
		}
	}
	if err := d.showBucket(ctx); err != nil {
		return err
	}
	return d.command(ctx, "verify", "batch-exporter", "s3-demo", "-o", "table")
}

func demoCredentials() []byte {
	b, _ := json.MarshalIndent(map[string]any{"AccessKey": map[string]string{ // strings always marshal
		"UserName": "strm-demo", "AccessKeyId": demoKeyID, "Status": "Active", "SecretAccessKey": demoSecret,
	}}, "", "    ")
	return b
}

// command prints a command line and runs it as the shell would.
func (d *demonstration) command(ctx context.Context, args ...string) error {
	shown := strings.ReplaceAll(strings.Join(args, " "), d.dir+string(os.PathSeparator), "")
	d.say("$ strm %s", shown)
	deps := d.deps
	deps.Env = d.env
	if code := run(ctx, deps, args); code != 0 {
		return fmt.Errorf("strm %s: exit status %d", shown, code)
	}
	d.say("")
	return nil
}

// showBucket lists the bucket and shows the head of one file, as any S3 client
// would see them.
func (d *demonstration) showBucket(ctx context.Context) error {
	b, err := s3.Open(ctx, s3.Config{Bucket: demoBucket, Endpoint: d.endpoint, PathStyle: true, AccessKeyID: demoKeyID, SecretAccessKey: demoSecret})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }() // only idle connections are left
	d.say("The bucket, through the S3 API:")
	var last string
	for info, err := range b.List(ctx, "events/") {
		if err != nil {
			return err
		}
		d.say("%s %10d %s", info.Modified.UTC().Format(time.DateTime), info.Size, info.Key)
		if info.Size > 0 && !strings.Contains(info.Key, ".strm_test_") {
			last = info.Key
		}
	}
	if last == "" {
		return errors.New("the bucket holds no events")
	}
	d.say("\nThe head of %s:", last)
	return d.head(ctx, b, last)
}

func (d *demonstration) head(ctx context.Context, b objstore.Reader, key string) error {
	body, _, err := b.Open(ctx, key)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read only in part, on purpose
	r, err := inflated(body, key)
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	line, err := bufio.NewReaderSize(r, 1<<20).ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	d.say("%s\n", strings.TrimSpace(string(line)))
	return nil
}

// inflated undoes the compression that a key's ending tells of.
func inflated(r io.Reader, key string) (io.Reader, error) {
	switch filepath.Ext(key) {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		zr, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		return zr.IOReadCloser(), nil
	}
	return r, nil
}

// invite says what to try while everything is up.
func (d *demonstration) invite() {
	d.say(`Everything stays up until you press Ctrl-C. In another terminal:

export STRM_SERVER=%s STRM_TOKEN=$(cat %s)
strm simulate demo --rate 100
strm tail demo
strm list batches s3-demo -o table

export AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_DEFAULT_REGION=us-east-1
aws --endpoint-url %s s3 ls --recursive s3://%s/
`, d.server, filepath.Join(d.dir, "data", "admin.token"), demoKeyID, demoSecret, d.endpoint, demoBucket)
}

func (d *demonstration) say(format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, format+"\n", args...) // whoever closed our output does not want to read on
}
