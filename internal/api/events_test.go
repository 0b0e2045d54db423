package api_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

func TestReadEvents(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo", Partitions: 2}, nil)
	t0 := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	s.Append("demo", 0, 2, t0)
	s.Append("demo", 1, 2, t0.Add(time.Minute))
	for query, want := range map[string]string{
		"":                                  `{"n":0} {"n":1} {"n":0} {"n":1}`,
		"from=earliest&limit=3":             `{"n":0} {"n":1} {"n":0}`,
		"from=latest":                       ``,
		"partition=1&envelope=true&limit=1": `{"partition":1,"offset":0,"event":{"n":0}}`,
		"from=2026-01-02T03:00:01Z":         `{"n":0} {"n":1}`,
		"from=" + url.QueryEscape("2026-01-02T04:00:01+01:00"): `{"n":0} {"n":1}`,
	} {
		a := s.want(200, "GET", "/v1/streams/demo/events?"+query, nil, nil)
		if got := strings.Join(strings.Fields(string(a.body)), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
		if ct := a.header.Get("Content-Type"); ct != "application/x-ndjson" {
			t.Errorf("content type %q", ct)
		}
	}
	for _, bad := range []string{"from=yesterday", "from=earliest&from=latest", "limit=-1", "limit=x", "partition=2", "partition=-1", "follow=x", "colour=red", "from=2999-01-01T00:00:00Z"} {
		s.refused(400, "GET", "/v1/streams/demo/events?"+bad, nil)
	}
	s.refused(404, "GET", "/v1/streams/nope/events", nil)
}

func follow(ctx context.Context, t *testing.T, s *site) (*bufio.Scanner, func()) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/streams/demo/events?follow=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 {
		t.Fatalf("status %d", res.StatusCode)
	}
	return bufio.NewScanner(res.Body), func() { _ = res.Body.Close() }
}

// The header comes at once, events as they are accepted, and the end with the
// client or with the server.
func TestFollowEvents(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	lines, done := follow(ctx, t, s)
	for range 3 {
		s.Append("demo", 0, 1, time.Now())
		if !lines.Scan() || lines.Text() != `{"n":0}` {
			t.Fatalf("line %q, %v", lines.Text(), lines.Err())
		}
	}
	cancel()
	done()

	lines, done = follow(t.Context(), t, s)
	defer done()
	s.stop()
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("after the stop: %q, %v", lines.Text(), lines.Err())
	}
}

// A reading that fails half-way must not look whole.
func TestFollowBreaksOff(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	lines, done := follow(t.Context(), t, s)
	defer done()
	s.Append("demo", 0, 1, time.Now())
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	s.Faults.LoseRequest("Bounds")
	s.Append("demo", 0, 1, time.Now())
	if lines.Scan() || !errors.Is(lines.Err(), io.ErrUnexpectedEOF) {
		t.Errorf("ended with %q, %v", lines.Text(), lines.Err())
	}
}

// What fails before the first event is a problem like any other.
func TestReadEventsFails(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	s.Faults.LoseRequest("Bounds")
	s.refused(500, "GET", "/v1/streams/demo/events", nil)
}

func TestReadEventsBusy(t *testing.T) {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	for range 64 {
		_, done := follow(t.Context(), t, s)
		defer done()
	}
	a := s.send("GET", "/v1/streams/demo/events", nil)
	if p := s.problem(429, a); p.Kind != "busy" || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v, %v", p, a.header)
	}
}

func TestReadObject(t *testing.T) {
	s := filled(t)
	const path = "/v1/batch-exporters/s3-demo/objects"
	s.Runner.Objects = map[string]string{"events/a b+c.gz": "\x1f\x8bbytes as they are"}
	a := s.send("GET", path+"?key=events%2Fa+b%2Bc.gz", nil)
	if a.status != 200 || string(a.body) != "\x1f\x8bbytes as they are" || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("Content-Encoding") != "" {
		t.Errorf("%d %v %q", a.status, a.header, a.body)
	}
	s.refused(404, "GET", path+"?key=events/other", nil)
	s.refused(404, "GET", "/v1/batch-exporters/nope/objects?key=x", nil)
	s.refused(400, "GET", path, nil)
	s.refused(400, "GET", path+"?key=x&list=all", nil)
	s.Runner.ObjectErr = problem.New(problem.Forbidden, "needs s3:GetObject")
	if p := s.refused(403, "GET", path+"?key=x", nil); !strings.Contains(p.Detail, "s3:GetObject") {
		t.Errorf("%+v", p)
	}
	// Less than the store announced: the answer breaks, so that nobody takes it for the whole.
	s.Runner.ObjectErr, s.Runner.Missing = nil, 5
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+path+"?key=events%2Fa+b%2Bc.gz", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		err = errors.Join(err, res.Body.Close())
	}
	if err == nil {
		t.Error("a short object looks whole")
	}
}
