package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"strm/test/harness"
)

// self runs this program again with a subcommand, waits for it and returns
// what it printed and used.
func self(ctx context.Context, env []string, args ...string) ([]byte, harness.Usage, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, harness.Usage{}, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = harness.Env(env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, harness.Usage{}, fmt.Errorf("%s process: %w\n%s", args[0], err, errs.String())
	}
	u := harness.Usage{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.PeakRSS = ru.Maxrss << 10
	}
	return out.Bytes(), u, nil
}

// sinkProc is the sink, or a bucket of files, in its own process.
type sinkProc struct {
	url string
	cmd *exec.Cmd
}

func startSink(ctx context.Context) (*sinkProc, error) { return startServing(ctx, "sink") }

// startServing runs this program with a subcommand that serves, and prints its
// address first.
func startServing(ctx context.Context, args ...string) (*sinkProc, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = harness.Env()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s process: %w", args[0], err), cmd.Process.Kill(), cmd.Wait())
	}
	return &sinkProc{url: strings.TrimSpace(line), cmd: cmd}, nil
}

func (s *sinkProc) close() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// stopWithin bounds the graceful stop of an idle server.
const stopWithin = 30 * time.Second

// newServer starts a server on fresh data below dir and makes the sink.
func newServer(ctx context.Context, bin, dir, sinkURL string) (*harness.Server, *harness.CLI, error) {
	srv, err := harness.NewServer(ctx, bin, dir)
	if err != nil {
		return nil, nil, err
	}
	cli, err := func() (*harness.CLI, error) {
		if err := srv.Run(ctx); err != nil {
			return nil, err
		}
		cli, err := srv.CLI()
		if err != nil {
			return nil, err
		}
		return cli, createSink(ctx, cli, dir, sinkURL)
	}()
	if err != nil {
		return nil, nil, errors.Join(err, srv.Close())
	}
	return srv, cli, nil
}

// createSink makes the sink "s3", with its credentials file in dir.
func createSink(ctx context.Context, cli *harness.CLI, dir, sinkURL string) error {
	creds := dir + "/s3.json"
	doc := `{"AccessKey":{"UserName":"bench","AccessKeyId":"` + benchKey + `","Status":"Active","SecretAccessKey":"bench-secret-bench-secret-bench-secret-00"}}`
	if err := os.WriteFile(creds, []byte(doc), 0o600); err != nil {
		return err
	}
	_, err := cli.Run(ctx, "create", "sink", "s3", bucket, "--credentials-file", creds,
		"--endpoint", sinkURL, "--region", "us-east-1", "--path-style")
	return err
}
