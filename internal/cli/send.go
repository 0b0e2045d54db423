package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/cli/upload"
	"strm/internal/problem"
)

// maxRetryFor keeps retries of one request well inside the time for which a
// server remembers its key, when nobody says otherwise.
const maxRetryFor = upload.DefaultKeyWindow / 2

func (a *app) send() *cobra.Command {
	var (
		writeKey, compress string
		parallel           int
		retryFor           time.Duration
		restart            bool
	)
	c := &cobra.Command{
		Use: "send STREAM [FILE...]", Short: "Send events from files or standard input",
		Long: `Send events, one JSON object a line, from files (also .gz and .zst) or from
standard input (no FILE, or -).

A send that fails or is interrupted is resumed by the same command, without
sending an event twice: the server counts what arrives again once. That holds as
long as the file does not change and the server remembers what it got (24 hours,
or its --idempotency-window); later the command refuses rather than guess.
Standard input cannot be resumed.

With a write key and no access token the server cannot be asked which one it is:
then "the same command" also means the same server address and stream name, and
24 hours are assumed.`,
		Example: `  strm send demo events.ndjson
  strm send demo 2026-01-*.ndjson.gz --parallel 8
  zcat old.gz | strm send demo -`,
		Args: args(1, -1, "a STREAM and perhaps files"),
		ValidArgsFunction: func(cmd *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(given) == 0 {
				return a.names(1, streamNames)(cmd, given, word)
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if parallel < 1 || parallel > 64 {
				return usagef("--parallel %d: use 1 to 64", parallel)
			}
			if retryFor < 0 || retryFor > maxRetryFor {
				return usagef("--retry-for %s: use 0s to %s", retryFor, maxRetryFor)
			}
			cl, err := a.connect(cmd)
			if err != nil {
				return err
			}
			encoding, err := encodingFor(compress, cl.Server())
			if err != nil {
				return err
			}
			files := args[1:]
			if len(files) == 0 {
				files = []string{upload.Stdin}
			}
			dir := a.sendStateDir()
			if dir == "" {
				warn(cmd, "Warning: there is no home directory to keep the state of the send in, so it cannot be resumed")
			}
			bar := newProgress(cmd.ErrOrStderr())
			to := destination{client: cl, stream: args[0], writeKey: a.writeKey(writeKey), token: a.settings.Token != ""}
			got, err := upload.Run(cmd.Context(), upload.Options{
				Stream: to.stream, WriteKey: to.writeKey, Encoding: encoding, Parallel: parallel,
				RetryFor: retryFor, Restart: restart, StateDir: dir, Stdin: &interruptible{ctx: cmd.Context(), r: cmd.InOrStdin()},
				Target: to.find, Append: cl.Append, Say: bar.say, Progress: bar.update,
				Report: func(got upload.Result) error {
					bar.clear()
					_, err := fmt.Fprintf(cmd.OutOrStdout(), "sent %d events (%d bytes) to %s\n", got.Events, got.Bytes, to.stream)
					return err
				},
			}, files)
			bar.clear()
			if err != nil && got.Events > 0 {
				warn(cmd, "%d events (%s) were accepted before this", got.Events, render.Bytes(got.Bytes))
			}
			return err
		},
	}
	c.Flags().IntVar(&parallel, "parallel", 4, "requests under way at once; 1 keeps the order of the lines")
	c.Flags().StringVar(&compress, "compress", "auto", "compression of the requests: auto, none, gzip or zstd (auto: gzip unless the server is on this machine)")
	c.Flags().BoolVar(&restart, "restart", false, "begin anew, also where an earlier send could be resumed")
	c.Flags().DurationVar(&retryFor, "retry-for", 5*time.Minute, "how long to try again when the server is away or busy")
	addWriteKey(c, &writeKey)
	complete(c, "compress", "auto", "none", "gzip", "zstd")
	return c
}

// destination finds out which stream of which server a send goes to.
type destination struct {
	client           *apiclient.Client
	stream, writeKey string
	token            bool // there is one to ask with
}

// find returns the target of a send. What a write key opens tells nothing about
// the server, so there the names identify it, also if there is a token: the same
// command must not become another one because a token came or went.
func (d destination) find(ctx context.Context) (upload.Target, error) {
	if d.writeKey != "" {
		t := upload.Target{ID: d.client.Server() + " " + d.stream}
		if !d.token {
			return t, nil
		}
		info, err := d.client.Info(ctx)
		if k := problem.KindOf(err); err != nil && (k == problem.Unauthorized || k == problem.Forbidden) {
			return t, nil // another server's token, perhaps; the write key will do
		}
		if err == nil {
			t.KeyWindow, err = keyWindow(info)
		}
		return t, err
	}
	info, err := d.client.Info(ctx)
	if err != nil {
		return upload.Target{}, err
	}
	s, err := d.client.Stream(ctx, d.stream)
	if err != nil {
		return upload.Target{}, err
	}
	if info.Installation == "" || s.ID == "" {
		return upload.Target{}, fmt.Errorf("%s does not answer as a strm server", d.client.Server())
	}
	w, err := keyWindow(info)
	return upload.Target{ID: info.Installation + "/" + s.ID, KeyWindow: w}, err
}

// keyWindow returns how long the server remembers keys, 0 if it does not say.
func keyWindow(info apiclient.Info) (time.Duration, error) {
	if info.IdempotencyWindow == "" {
		return 0, nil
	}
	w, err := time.ParseDuration(info.IdempotencyWindow)
	if err != nil || w <= 0 {
		return 0, fmt.Errorf("the server says that it remembers keys for %q, which is not a duration", info.IdempotencyWindow)
	}
	return w, nil
}

func addWriteKey(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "write-key", "", "write key of a source (env STRM_WRITE_KEY), instead of the access token")
	complete(c, "write-key")
}

func (a *app) writeKey(flag string) string {
	if flag != "" {
		return flag
	}
	return a.env("STRM_WRITE_KEY")
}

// encodingFor returns the Content-Encoding of requests.
func encodingFor(compress, server string) (string, error) {
	switch compress {
	case "none":
		return "", nil
	case "gzip", "zstd":
		return compress, nil
	case "auto":
		u, err := apiclient.ParseServer(server)
		if err != nil || apiclient.Loopback(u) {
			return "", err
		}
		return "gzip", nil
	}
	return "", usagef("--compress %q: use auto, none, gzip or zstd", compress)
}

// sendStateDir returns where unfinished sends are remembered, "" for nowhere.
func (a *app) sendStateDir() string {
	d := a.userDir("XDG_STATE_HOME", filepath.Join(".local", "state"))
	if d == "" {
		return ""
	}
	return filepath.Join(d, "strm", "send")
}

// interruptible makes reads of standard input end when the command is
// interrupted. A read from a terminal cannot be called off: its goroutine then
// stays until the process ends, which it is about to do.
type interruptible struct {
	ctx context.Context
	r   io.Reader
	buf []byte // read but not yet handed out
}

// Read reads from the reader below, or returns the context's error.
func (i *interruptible) Read(p []byte) (int, error) {
	if len(i.buf) > 0 {
		n := copy(p, i.buf)
		i.buf = i.buf[n:]
		return n, nil
	}
	type result struct {
		b   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		b := make([]byte, 256<<10)
		n, err := i.r.Read(b)
		done <- result{b[:n], err}
	}()
	select {
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	case r := <-done:
		n := copy(p, r.b)
		i.buf = r.b[n:]
		if len(i.buf) > 0 {
			return n, nil // the error, if any, comes again with the next read
		}
		return n, r.err
	}
}
