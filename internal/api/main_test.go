package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/api"
	"strm/internal/api/apiv1"
	"strm/internal/control/controltest"
	"strm/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "admin-token-of-the-test"

// site is a running API and everything it ever answered or logged.
type site struct {
	*controltest.World
	t      *testing.T
	url    string
	client *http.Client
	seen   bytes.Buffer
	logged *lockedBuffer
	stop   context.CancelFunc
}

func newSite(t *testing.T) *site { return newSiteOver(t, controltest.New(t)) }

func newSiteOver(t *testing.T, w *controltest.World) *site {
	s := &site{World: w, t: t, logged: &lockedBuffer{}}
	stopping, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s.stop = stop
	h, err := api.New(api.Deps{
		Unknown: func(*stream.Source) stream.Unknown {
			return stream.Unknown{Flags: []stream.NameCount{{Name: "new", Count: 3}}, More: true}
		},
		Control: s.Control, AdminToken: token, Version: "v9.9.9", IdempotencyWindow: 36 * time.Hour, Stopping: stopping,
		Logger: slog.New(slog.NewTextHandler(s.logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.showsNoSecret) // after the server has ended
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	s.url, s.client = srv.URL, srv.Client()
	return s
}

// lockedBuffer is a log that may be read while the server writes it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// showsNoSecret checks that, whatever the test did, no answer and no line of
// the log holds a secret, open or sealed.
func (s *site) showsNoSecret() {
	secrets := []string{controltest.Secret, token}
	sinks, err := s.DB.Sinks(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, k := range sinks {
		if len(k.Credentials) > 0 {
			secrets = append(secrets, string(k.Credentials), base64.StdEncoding.EncodeToString(k.Credentials))
		}
	}
	for name, text := range map[string]string{"answers": s.seen.String(), "log": s.logged.String()} {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("the %s show a secret", name)
			}
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (s *site) send(method, path string, body any, header ...string) answer {
	s.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.seen.Write(text)
	if err := res.Header.Write(&s.seen); err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, text}
}

// want sends a request and reads its answer into out, unless that is nil.
func (s *site) want(status int, method, path string, body, out any) answer {
	s.t.Helper()
	a := s.send(method, path, body)
	if a.status != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	if out != nil {
		reflect.ValueOf(out).Elem().SetZero()
		dec := json.NewDecoder(bytes.NewReader(a.body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(out); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
		}
	}
	return a
}

// refused sends a request that must fail and returns the problem.
func (s *site) refused(status int, method, path string, body any, header ...string) apiv1.Problem {
	s.t.Helper()
	return s.problem(status, s.send(method, path, body, header...))
}

func (s *site) problem(status int, a answer) apiv1.Problem {
	s.t.Helper()
	if a.status != status {
		s.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		s.t.Errorf("content type %q of a problem", ct)
	}
	var p apiv1.Problem
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		s.t.Fatalf("%v: %s", err, a.body)
	}
	if p.Status != status || p.Title == "" || p.Detail == "" || p.Kind == "" || p.Type == "" {
		s.t.Errorf("problem %+v", p)
	}
	return p
}

// filled makes a site with a stream, a source, a sink and an exporter.
func filled(t *testing.T) *site {
	s := newSite(t)
	s.want(201, "POST", "/v1/streams", apiv1.CreateStream{Name: "demo"}, nil)
	s.want(201, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b", Credentials: controltest.Credentials}, nil)
	s.want(201, "POST", "/v1/batch-exporters", apiv1.CreateExporter{Stream: "demo", PathPrefix: "events"}, nil)
	return s
}
