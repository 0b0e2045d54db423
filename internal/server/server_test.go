package server_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/problem"
	"strm/internal/server"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server in this process.
type running struct {
	t     *testing.T
	s     *server.Server
	url   string
	http  *http.Client
	log   *lockedBuffer
	end   context.CancelFunc
	ended chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func start(t *testing.T, cfg server.Config) *running {
	t.Helper()
	r := &running{t: t, log: &lockedBuffer{}, ended: make(chan error, 1), http: &http.Client{Transport: &http.Transport{}}}
	cfg.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.MinFreeDisk == 0 {
		cfg.MinFreeDisk = -1
	}
	cfg.AllowShortIntervals = true
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Open(ctx, cfg)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r.s, r.end, r.url = s, cancel, "http://"+s.Addr()
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(r.stop)
	return r
}

func (r *running) stop() {
	if r.end == nil {
		return
	}
	r.end()
	r.end = nil
	if err := <-r.ended; err != nil {
		r.t.Errorf("the server ended with %v\n%s", err, r.log)
	}
	r.http.CloseIdleConnections()
}

// do makes a request with the admin token and returns status and body.
func (r *running) do(method, path, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.s.AdminToken())
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

// must makes a request that has to succeed.
func (r *running) must(method, path, body string) string {
	r.t.Helper()
	status, out := r.do(method, path, body)
	if status/100 != 2 {
		r.t.Fatalf("%s %s: %d %s", method, path, status, out)
	}
	return out
}

// daily is a cut at a time of the day that is half a day away: whenever a test runs, only
// flushes make batches.
func daily() string {
	at := time.Now().UTC().Add(12 * time.Hour)
	return fmt.Sprintf(`"interval":"24h","intervalOffset":"%ds"`, at.Sub(at.Truncate(24*time.Hour))/time.Second)
}

// flush delivers what waits.
func (r *running) flush(exporter string) {
	r.t.Helper()
	if out := r.must("POST", "/v1/batch-exporters/"+exporter+"/flush?wait=5m", ""); !strings.Contains(out, `"done":true`) {
		r.t.Fatalf("flush %s: %s", exporter, out)
	}
}

// deliver sets up a stream, a directory as sink and an exporter, and sends events.
func (r *running) deliver(dir string, events int) {
	r.t.Helper()
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, dir))
	r.must("POST", "/v1/batch-exporters", `{"stream":"demo","sink":"files",`+daily()+`}`)
	var body strings.Builder
	for i := range events {
		fmt.Fprintf(&body, "{\"id\":%d}\n", i)
	}
	if out := r.must("POST", "/v1/streams/demo/events", body.String()); !strings.Contains(out, fmt.Sprintf(`"accepted":%d`, events)) {
		r.t.Fatal(out)
	}
}

func TestEventsAreDeliveredAcrossARestart(t *testing.T) {
	data, bucket := t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	r := start(t, server.Config{Data: data})
	r.deliver(bucket, 10)
	r.stop()

	r = start(t, server.Config{Data: data})
	r.flush("files-demo")
	if out := r.must("POST", "/v1/batch-exporters/files-demo/verify", ""); !strings.Contains(out, `"ok":true`) || !strings.Contains(out, `"events":10`) {
		t.Errorf("verify: %s", out)
	}
	files, err := filepath.Glob(filepath.Join(bucket, "2*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
}

func TestMetricsShowLagAndOutcomes(t *testing.T) {
	r := start(t, server.Config{Data: t.TempDir()})
	r.deliver(filepath.Join(t.TempDir(), "bucket"), 7)
	if out := r.must("GET", "/metrics", ""); !strings.Contains(out, `strm_exporter_waiting_events{exporter="files-demo",sink="files",stream="demo"} 7`) {
		t.Errorf("no lag of 7 in\n%s", out)
	}
	r.flush("files-demo")
	r.do("POST", "/v1/streams/demo/events", "{rubbish")
	out := r.must("GET", "/metrics", "")
	for _, want := range []string{
		`strm_exporter_waiting_events{exporter="files-demo",sink="files",stream="demo"} 0`,
		`strm_exporter_state{exporter="files-demo",sink="files",state="running",stream="demo"} 1`,
		`strm_accepted_events_total{stream="demo"} 7`,
		`strm_delivered_events_total{stream="demo"} 7`,
		`strm_batches_done_total{reason="flush",stream="demo"} 1`,
		`strm_puts_total{outcome="stored"} 1`,
		`strm_refused_requests_total{kind="invalid",stream="demo"} 1`,
		`strm_http_requests_total{code="400"} 1`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

func TestHealthAndReadinessNeedNoToken(t *testing.T) {
	r := start(t, server.Config{Data: t.TempDir()})
	for _, path := range []string{"/healthz", "/readyz", "/openapi.json"} {
		resp, err := r.http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	for _, path := range []string{"/v1/streams", "/debug/pprof/"} {
		resp, err := r.http.Get(r.url + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d", path, resp.StatusCode)
		}
	}
}

func TestSecondServerOnOneDirectoryIsRefused(t *testing.T) {
	data := t.TempDir()
	start(t, server.Config{Data: data})
	_, err := server.Open(t.Context(), server.Config{Data: data, Listen: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler)})
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), data) {
		t.Errorf("got %v", err)
	}
}

func TestAnIdempotencyWindowTooShortToSendAgainIsRefused(t *testing.T) {
	for _, w := range []time.Duration{-time.Hour, 1, time.Minute - 1} {
		_, err := server.Open(t.Context(), server.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", IdempotencyWindow: w, Logger: slog.New(slog.DiscardHandler)})
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", w, err)
		}
	}
}

func TestSendersLearnTheIdempotencyWindow(t *testing.T) {
	for set, want := range map[time.Duration]string{0: "24h0m0s", time.Minute: "1m0s"} {
		r := start(t, server.Config{Data: t.TempDir(), IdempotencyWindow: set})
		if status, body := r.do("GET", "/v1/info", ""); status != 200 || !strings.Contains(body, `"idempotencyWindow":"`+want+`"`) {
			t.Errorf("%s: %d %s", set, status, body)
		}
	}
}

func TestTokenIsMadeOnceAndForNobodyElse(t *testing.T) {
	data := t.TempDir()
	r := start(t, server.Config{Data: data})
	token := r.s.AdminToken()
	info, err := os.Stat(filepath.Join(data, "admin.token"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("admin.token: %v, %v", info.Mode(), err)
	}
	r.stop()
	r = start(t, server.Config{Data: data})
	if r.s.AdminToken() != token {
		t.Error("the token changed with a restart")
	}
	r.must("GET", "/v1/streams", "")
	r.stop()
	if strings.Contains(r.log.String(), token) {
		t.Error("the token is in the log")
	}
	if err := os.Chmod(filepath.Join(data, "admin.token"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = server.Open(t.Context(), server.Config{Data: data, Listen: "127.0.0.1:0", MinFreeDisk: -1, Logger: slog.New(slog.DiscardHandler)})
	if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others can read: %v", err)
	}
}

func TestSecretsStayOutOfLogsAndFiles(t *testing.T) {
	data := t.TempDir()
	r := start(t, server.Config{Data: data})
	const secret = "SECRETSECRETSECRETSECRETSECRETSECRETSECR"
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	creds := fmt.Sprintf(`{"AccessKey":{"AccessKeyId":"AKIAEXAMPLE000000000","SecretAccessKey":%q}}`, secret)
	out := r.must("PUT", "/v1/sinks/s3", fmt.Sprintf(`{"bucket":"some-bucket","endpoint":"http://127.0.0.1:1","credentials":%q}`, creds))
	out += r.must("POST", "/v1/batch-exporters", `{"stream":"demo","sink":"s3"}`)
	out += r.must("GET", "/v1/batch-exporters/s3-demo", "")
	key := r.must("POST", "/v1/sources", `{"name":"web","stream":"demo"}`)
	key = strings.Split(strings.SplitAfter(key, `"writeKey":"`)[1], `"`)[0]
	r.stop()
	for what, text := range map[string]string{"answers": out, "log": r.log.String()} {
		if strings.Contains(text, secret) || strings.Contains(text, key) {
			t.Errorf("a secret is in the %s", what)
		}
	}
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) || bytes.Contains(b, []byte(key)) {
			t.Errorf("a secret is in %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestServesTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, pool := selfSigned(t, dir)
	r := start(t, server.Config{Data: filepath.Join(dir, "data"), TLSCert: cert, TLSKey: key})
	r.url = "https://" + r.s.Addr()
	r.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	r.must("GET", "/v1/streams", "")
	_, err := server.Open(t.Context(), server.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", TLSCert: cert, Logger: slog.New(slog.DiscardHandler)})
	if problem.KindOf(err) != problem.Invalid {
		t.Errorf("a certificate without a key: %v", err)
	}
}

func selfSigned(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "strm test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, pool = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(cert, certPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

func TestDocumentedIntakeIsServed(t *testing.T) {
	r := start(t, server.Config{Data: t.TempDir()})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	key := r.must("POST", "/v1/sources", `{"name":"web","stream":"demo"}`)
	key = strings.Split(strings.SplitAfter(key, `"writeKey":"`)[1], `"`)[0]
	doc := r.must("GET", "/openapi.json", "")
	for path, want := range map[string]int{"/v1/streams/demo/events": http.StatusOK, "/event": http.StatusNoContent} {
		if !strings.Contains(doc, `"`+strings.Replace(path, "demo", "{stream}", 1)+`"`) {
			t.Errorf("%s is not documented", path)
		}
		for token, status := range map[string]int{key: want, "wrong": http.StatusUnauthorized} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader(`{"a":1}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("%s: %d, want %d", path, resp.StatusCode, status)
			}
		}
	}
}

func TestLogWithoutItsCatalogIsNotTakenForANewInstallation(t *testing.T) {
	data := t.TempDir()
	r := start(t, server.Config{Data: data})
	r.deliver(filepath.Join(t.TempDir(), "bucket"), 3)
	r.stop()
	files, err := filepath.Glob(filepath.Join(data, "catalog.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	_, err = server.Open(t.Context(), server.Config{Data: data, Listen: "127.0.0.1:0", MinFreeDisk: -1, Logger: slog.New(slog.DiscardHandler)})
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("got %v", err)
	}
}

func TestCatalogWithoutItsLogIsRefused(t *testing.T) {
	data := t.TempDir()
	r := start(t, server.Config{Data: data})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.stop()
	if err := os.RemoveAll(filepath.Join(data, "log")); err != nil {
		t.Fatal(err)
	}
	_, err := server.Open(t.Context(), server.Config{Data: data, Listen: "127.0.0.1:0", MinFreeDisk: -1, Logger: slog.New(slog.DiscardHandler)})
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "demo") {
		t.Errorf("got %v", err)
	}
}
