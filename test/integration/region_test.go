//go:build integration

package integration

import (
	"net/http"
	"testing"

	"strm/internal/api/apiv1"
)

// TestRegionIsFound creates sinks without a region; the gateway refuses
// requests that are signed for another one than its own.
func TestRegionIsFound(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	for name, policy := range map[string][]statement{
		"with-location": seedPolicy("with-location", "p"),
		"put-only":      {allow("put-only/p/*.jsonl", "s3:PutObject")},
	} {
		t.Run(name, func(t *testing.T) {
			g.root().aws(t, "s3", "mb", "s3://"+name)
			dir := t.TempDir()
			g.user(t, name, dir, policy...)
			s.run(t, "create", "sink", name, name, "--credentials-file", dir+"/s3.json", "--endpoint", g.url, "--path-style")
			s.run(t, "create", "stream", name)
			s.run(t, "create", "batch-exporter", name, "--sink", name, "--name", name, "--path-prefix", "p")
			post(t, s.intake(t, name), name, 0, 20)
			s.flush(t, name)
			exactly(t, g.bucket(t, name, "p/"), name, 20)
			var sink apiv1.Sink
			if err := s.cli.Call(t.Context(), http.MethodGet, "/v1/sinks/"+name, nil, &sink); err != nil {
				t.Fatal(err)
			}
			if sink.Region != region {
				t.Errorf("the sink's region is %q, want %q", sink.Region, region)
			}
		})
	}
}

// TestWrongRegion shows that the gateway does refuse another region, and that
// strm tells so and recovers when the sink is mended.
func TestWrongRegion(t *testing.T) {
	g, s := startGateway(t), startStrm(t)
	g.root().aws(t, "s3", "mb", "s3://regional")
	g.user(t, "regional", s.dir, seedPolicy("regional", "p")...)
	sink := []string{"create", "sink", "s3", "regional", "--credentials-file", "s3.json", "--endpoint", g.url, "--path-style"}
	s.run(t, append(sink, "--region", region)...)
	s.run(t, "create", "stream", "demo")
	s.run(t, "create", "batch-exporter", "demo", "--sink", "s3", "--path-prefix", "p", "--interval", "1s")
	s.run(t, append(sink, "--region", "us-west-2")...)
	post(t, s.intake(t, "demo"), "r", 0, 10)
	s.state(t, "s3-demo", "blocked", atOnce, "region", "us-west-2")
	s.run(t, sink...)
	s.flush(t, "s3-demo")
	exactly(t, g.bucket(t, "regional", "p/"), "r", 10)
}
