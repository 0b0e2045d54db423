package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"strm/test/harness"
	"strm/test/s3double"
)

// create makes the stream and a source for it, and returns the write key.
func (s Stream) create(ctx context.Context, cli *harness.CLI) (string, error) {
	args := []string{"create", "stream", s.Name, "--partitions", strconv.Itoa(s.Partitions)}
	if !s.Meta {
		args = append(args, "--strm-meta=false")
	}
	if _, err := cli.Run(ctx, args...); err != nil {
		return "", err
	}
	var flags []string
	if s.Segment {
		flags = []string{"--kind", "segment"}
	}
	return cli.Source(ctx, s.Name+"-in", s.Name, flags...)
}

// Exporter is an exporter of a run to the sink "s3". Its prefix is its name.
type Exporter struct {
	Name   string
	Stream string
	Flags  []string
}

// Create makes the exporter.
func (e Exporter) Create(ctx context.Context, cli *harness.CLI) error {
	args := append([]string{"create", "batch-exporter", e.Stream, "--sink", "s3", "--name", e.Name, "--path-prefix", e.Name}, e.Flags...)
	_, err := cli.Run(ctx, args...)
	return err
}

// SetUp makes the sink for a double's bucket, which the server reaches at the
// endpoint, the streams, a source for each, and exporters. It returns the
// streams' write keys. A file goes into dir.
func (r *Run) SetUp(ctx context.Context, s3 *s3double.Server, endpoint, dir string, exporters []Exporter) (map[string]string, error) {
	if err := createSink(ctx, r.CLI, s3, endpoint, dir); err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, s := range r.Streams {
		var err error
		if keys[s.Name], err = s.create(ctx, r.CLI); err != nil {
			return nil, err
		}
	}
	for _, e := range exporters {
		if err := e.Create(ctx, r.CLI); err != nil {
			return nil, fmt.Errorf("set up: %w", err)
		}
	}
	return keys, nil
}

// createSink makes the sink "s3" for a double's bucket, which the server reaches
// at the endpoint. The credentials file is put into dir.
func createSink(ctx context.Context, cli *harness.CLI, s *s3double.Server, endpoint, dir string) error {
	creds := filepath.Join(dir, "s3.json")
	doc, err := json.Marshal(map[string]any{"AccessKey": map[string]string{
		"UserName": "crash", "AccessKeyId": s.AccessKey, "Status": "Active",
		"SecretAccessKey": "crash-test-secret-crash-test-secret-0000", "CreateDate": "2026-01-01T00:00:00+00:00",
	}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(creds, doc, 0o600); err != nil {
		return err
	}
	_, err = cli.Run(ctx, "create", "sink", "s3", s.Bucket, "--credentials-file", creds,
		"--endpoint", endpoint, "--region", s.Region, "--path-style")
	return err
}

// Settle brings every exporter to its end: nothing paused, everything
// delivered, each within the limit.
func Settle(ctx context.Context, cli *harness.CLI, all []Exporter, within time.Duration) error {
	for _, e := range all {
		got, err := cli.Exporter(ctx, e.Name)
		if err != nil {
			return err
		}
		if got.Status.State == "paused" {
			if _, err := cli.Run(ctx, "resume", e.Name); err != nil {
				return err
			}
		}
	}
	for _, e := range all {
		cctx, cancel := context.WithTimeout(ctx, within)
		_, err := cli.Run(cctx, "flush", e.Name, "--wait")
		cancel()
		if err != nil {
			state, serr := cli.Run(ctx, "get", "batch-exporter", e.Name, "-o", "json")
			if serr != nil {
				state = serr.Error()
			}
			return fmt.Errorf("%w\nits state: %s", err, state)
		}
	}
	return nil
}
