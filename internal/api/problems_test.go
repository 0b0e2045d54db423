package api_test

import (
	"regexp"
	"strings"
	"testing"

	"strm/internal/api/apiv1"
	"strm/internal/control/controltest"
	"strm/internal/problem"
)

func TestAuth(t *testing.T) {
	s := newSite(t)
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + token, token, "Bearer " + token + "x"} {
		for _, path := range []string{"/v1/info", "/v1/streams/x/events", "/v1/nothing", "/"} {
			a := s.send("GET", path, nil, "Authorization", header)
			p := s.problem(401, a)
			if p.Kind != "unauthorized" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%q: %+v, %v", header, p, a.header)
			}
		}
	}
	for _, header := range []string{"Bearer " + token, "bearer  " + token + " "} {
		if a := s.send("GET", "/v1/info", nil, "Authorization", header); a.status != 200 {
			t.Errorf("%q: %d", header, a.status)
		}
	}
	a := s.send("GET", "/v1/info", nil)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", a.header)
	}
}

// What huma refuses looks like what we refuse, and never quotes the value.
func TestBadRequests(t *testing.T) {
	s := newSite(t)
	secret := controltest.Secret
	for _, tt := range []struct {
		name, method, path, body, kind, text string
		status                               int
	}{
		{"unknown field", "POST", "/v1/streams", `{"name":"a","x":1}`, "invalid", "body.x: unexpected property", 400},
		{"missing field", "POST", "/v1/streams", `{}`, "invalid", "name", 400},
		{"wrong type", "POST", "/v1/streams", `{"name":1}`, "invalid", "body.name: expected string", 400},
		{"no JSON", "POST", "/v1/streams", `{"name":`, "invalid", "body", 400},
		{"no body", "POST", "/v1/streams", ``, "invalid", "body is required", 400},
		{"secret of the wrong type", "PUT", "/v1/sinks/s", `{"bucket":"b","credentials":{"SecretAccessKey":"` + secret + `"}}`, "invalid", "body.credentials: expected string", 400},
		{"secret in no JSON", "PUT", "/v1/sinks/s", `{"bucket":"b","credentials":"` + secret, "invalid", "body", 400},
		{"secret in an unknown field", "PUT", "/v1/sinks/s", `{"bucket":"b","key":"` + secret + `"}`, "invalid", "body.key", 400},
		{"unknown query", "GET", "/v1/streams?limit=1", ``, "invalid", "limit", 400},
		{"not a bool", "GET", "/v1/sinks?recursive=perhaps", ``, "invalid", "recursive", 400},
		{"too large", "POST", "/v1/streams", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "too_large", "too large", 413},
		{"nothing there", "GET", "/v1/nothing", ``, "not_found", "/v1/nothing", 404},
		{"wrong method", "POST", "/v1/info", ``, "invalid", "use GET", 405},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var body any
			if tt.body != "" {
				body = tt.body
			}
			p := s.refused(tt.status, tt.method, tt.path, body)
			if p.Kind != tt.kind || !strings.Contains(p.Detail, tt.text) {
				t.Errorf("%+v, want %s with %q", p, tt.kind, tt.text)
			}
		})
	}
	p := s.refused(400, "POST", "/v1/streams", `name=a`, "Content-Type", "application/x-www-form-urlencoded")
	if p.Kind != "invalid" {
		t.Errorf("%+v", p)
	}
	var list map[string][]apiv1.Stream
	s.want(200, "GET", "/v1/streams", nil, &list)
	if len(list["streams"]) != 0 {
		t.Errorf("refused, but made %+v", list)
	}
}

// A fault of ours goes out as a reference and into the log in full.
func TestInternalErrorsStayInside(t *testing.T) {
	s := newSite(t)
	s.Faults.LoseRequest("UpdateStream")
	s.Faults.LoseRequest("CreateStream")
	p := s.refused(500, "POST", "/v1/streams", `{"name":"demo"}`)
	if p.Kind != "internal" || strings.Contains(p.Detail, "injected") || !regexp.MustCompile(`reference [0-9a-f]{8}$`).MatchString(p.Detail) {
		t.Errorf("%+v", p)
	}
	if log := s.logged.String(); !strings.Contains(log, p.Reason) || !strings.Contains(log, "injected fault") || !strings.Contains(log, "create-stream") {
		t.Errorf("log %q does not explain %q", log, p.Reason)
	}
}

func TestKinds(t *testing.T) {
	want := map[problem.Kind]int{
		problem.Invalid: 400, problem.Unauthorized: 401, problem.Forbidden: 403, problem.NotFound: 404, problem.Conflict: 409,
		problem.TooLarge: 413, problem.Busy: 429, problem.Corrupt: 500, problem.Unavailable: 503, problem.Internal: 500,
	}
	for k := problem.Internal; k <= problem.Unavailable; k++ {
		t.Run(k.String(), func(t *testing.T) {
			s := filled(t)
			s.Runner.VerifyErr = problem.New(k, "the story")
			a := s.send("POST", "/v1/batch-exporters/s3-demo/verify", nil)
			p := s.problem(want[k], a)
			if p.Kind != k.String() || (p.Detail == "the story") == (k == problem.Internal) {
				t.Errorf("%+v", p)
			}
			if (a.header.Get("Retry-After") != "") != (k == problem.Busy) {
				t.Errorf("headers %v", a.header)
			}
		})
	}
}
