package segment_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"strm/internal/collect/segment"
	"strm/internal/eventlog"
	"strm/internal/ingest"
)

// Where the log has reached a later hour, the lines are written again with that
// time, and the call keeps its message id.
func TestLateLinesAreStampedAnew(t *testing.T) {
	for _, c := range []struct {
		name     string
		at       time.Time // of the log
		now      time.Time // when the lines are written again
		want     string
		expected time.Time
	}{
		{"the log is ahead", received.Add(time.Hour), received, "2026-11-20T09:00:20.203Z", received.Add(time.Hour)},
		{"between two milliseconds", received.Add(time.Hour + 1), received, "2026-11-20T09:00:20.204Z", received.Add(time.Hour + time.Millisecond)},
		{"the clock has gone on", received.Add(time.Hour), received.Add(2 * time.Hour), "2026-11-20T10:00:20.203Z", received.Add(2 * time.Hour)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, ingest.Options{})
			r.src.window = time.Hour
			var tries []eventlog.ID
			r.log.Before = func(e eventlog.Entry) error {
				tries = append(tries, e.IDs...)
				if len(tries) == 1 {
					r.now = c.now
					return &eventlog.LateError{At: c.at}
				}
				if !e.Received.Equal(c.expected) {
					t.Errorf("received %v, want %v", e.Received, c.expected)
				}
				return nil
			}
			if w := r.post("/v1/t", `{"userId":"u","event":"e"}`); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			lines := r.lines()
			if len(lines) != 1 || len(tries) != 2 || tries[0] != tries[1] || lines[0]["receivedAt"] != c.want || lines[0]["timestamp"] != c.want {
				t.Errorf("%d tries, %v", len(tries), lines)
			}
			if got := r.seen.take(); got != "accepted web 1; answered web stored" {
				t.Errorf("told %s", got)
			}
		})
	}
}

func TestWithoutAWindowThereAreNoIDs(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	r.log.Before = func(e eventlog.Entry) error {
		if len(e.IDs) != 0 || e.IDWindow != 0 {
			t.Errorf("%d ids, window %v", len(e.IDs), e.IDWindow)
		}
		return nil
	}
	if w := r.post("/v1/batch", batch); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAddressOfTheClient(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, c := range []struct {
		name, remote string
		proxies      []netip.Prefix
		head         []string
		want         any
	}{
		{"direct", "198.51.100.7:1234", proxies, nil, "198.51.100.7"},
		{"IPv4 in IPv6", "[::ffff:198.51.100.7]:1234", proxies, nil, "198.51.100.7"},
		{"IPv6 with a zone", "[fe80::1%eth0]:1234", proxies, nil, "fe80::1"},
		{"a stranger's word", "198.51.100.7:1234", proxies, []string{"X-Forwarded-For", "192.0.2.1"}, "198.51.100.7"},
		{"loopback is not listed", "127.0.0.1:1", nil, []string{"X-Forwarded-For", "192.0.2.1"}, "127.0.0.1"},
		{"loopback is listed", "127.0.0.1:1", proxies, []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"a mapped proxy", "[::ffff:10.1.2.3]:1", proxies, []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"the client's own list", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", "1.1.1.1, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", "1.1.1.1, 192.0.2.1 ,10.9.9.9"}, "192.0.2.1"},
		{"proxies only", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", "10.7.7.7, 10.9.9.9"}, "10.7.7.7"},
		{"with a port", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", "192.0.2.1:80"}, "192.0.2.1"},
		{"nonsense", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", "192.0.2.1, unknown, 10.9.9.9"}, "10.9.9.9"},
		{"empty", "10.1.2.3:1", proxies, []string{"X-Forwarded-For", ""}, "10.1.2.3"},
		{"RFC 7239", "10.1.2.3:1", proxies, []string{"Forwarded", `for=1.1.1.1, For="[2001:DB9::7]:80";proto=http, for=10.1.1.1`}, "2001:db9::7"},
		{"both", "10.1.2.3:1", proxies, []string{"Forwarded", "for=1.1.1.1", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"no address", "@", proxies, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, segment.Deps{TrustedProxies: c.proxies}, ingest.Options{})
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/t", strings.NewReader(`{"userId":"u","event":"e","writeKey":"right"}`))
			req.RemoteAddr = c.remote
			for i := 0; i < len(c.head); i += 2 {
				req.Header.Set(c.head[i], c.head[i+1])
			}
			r.h.ServeHTTP(httptest.NewRecorder(), req)
			lines := r.lines()
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			context, _ := lines[0]["context"].(map[string]any)
			if context["ip"] != c.want {
				t.Errorf("ip %v, want %v", context["ip"], c.want)
			}
		})
	}
}

// The log stays quiet, however often a sender is wrong.
func TestWrongSendersAreLoggedOnceAMinute(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	spoil := func(n int) {
		for range n {
			r.post("/v1/batch", calls(one, "7"))
			r.post("/v1/batch", "{")
			r.post("/v1/batch", batch, "Authorization", basic("wrong"))
		}
	}
	spoil(10)
	if got := strings.Count(r.said.String(), "\n"); got != 3 {
		t.Errorf("%d lines:\n%s", got, r.said)
	}
	r.now = r.now.Add(time.Minute)
	spoil(2)
	said := r.said.String()
	if strings.Count(said, "\n") != 6 || strings.Count(said, "calls=10")+strings.Count(said, "requests=10") != 3 {
		t.Errorf("the log says\n%s", said)
	}
	for _, want := range []string{"source=web reason=not_an_object calls=1", "source=web reason=invalid_json requests=1", `source="" reason=unknown_write_key requests=1`} {
		if !strings.Contains(said, want) {
			t.Errorf("%s is not in\n%s", want, said)
		}
	}
}

// Over a real connection: a body that does not come is given up, one that ends
// early stores nothing, and a refusal reaches a client that still sends.
func TestConnection(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	within := func(d time.Duration) *httptest.Server {
		h := segment.New(segment.Deps{Ingester: ingest.New(r.log, ingest.Options{}), Sources: r.src, Limits: segment.Limits{ReadTimeout: d}})
		srv := httptest.NewServer(h.Wrap(http.NotFoundHandler()))
		t.Cleanup(srv.Close)
		return srv
	}
	impatient, srv := within(50*time.Millisecond), within(10*time.Minute)
	head := "POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: " + basic("right:") + "\r\n"
	if got := talk(t, impatient, head+"Content-Length: 100\r\n\r\n{", false); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "body_incomplete") || !strings.Contains(got, "Access-Control-Expose-Headers: Retry-After") {
		t.Errorf("slow body: %q", got)
	}
	if got := talk(t, srv, head+"Content-Length: 1000\r\n\r\n"+batch, true); !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("cut body: %q", got)
	}
	if r.stored() != "" {
		t.Fatalf("stored %s", r.stored())
	}
	chunked := strings.NewReader(zipped(batch))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/v1/b", iotest.OneByteReader(chunked))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", basic("right"))
	req.Header.Set("Content-Encoding", "gzip")
	if resp, err := srv.Client().Do(req); err != nil || resp.StatusCode != 200 || resp.Body.Close() != nil {
		t.Errorf("chunked: %v, %v", resp, err)
	}
	for name, user := range map[string]string{"wrong": "401", "right": "400"} {
		body := strings.Repeat(" ", 900<<10)
		text := strings.Replace(head, basic("right:"), basic(name), 1) + "Connection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
		if got := talk(t, srv, text, false); !strings.HasPrefix(got, "HTTP/1.1 "+user+" ") {
			t.Errorf("%s: %.200q", name, got)
		}
	}
}

// idle is a body that tells when it is read, and then has nothing until it ends.
type idle struct {
	read chan<- struct{}
	ends <-chan struct{}
}

func (b idle) Read([]byte) (int, error) {
	select {
	case b.read <- struct{}{}:
	case <-b.ends:
	}
	<-b.ends
	return 0, io.ErrUnexpectedEOF
}

// Whoever shows no key before the body must not take the room of those who do.
func TestStrangersLeaveRoomForSenders(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{MaxInFlightBytes: 32 << 20, InFlightWait: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	read, ends := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	for range 300 {
		done.Go(func() {
			req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/batch", idle{read, ends})
			req.ContentLength = 500_000
			r.h.ServeHTTP(httptest.NewRecorder(), req)
		})
	}
	const share = 64 // bodies of 256 KiB at first, in 16 MiB
	for range share {
		<-read
	}
	if w := r.post("/v1/batch", batch); w.Code != http.StatusOK {
		t.Errorf("a sender beside %d strangers: %d %s", share, w.Code, w.Body)
	}
	select {
	case <-read:
		t.Error("one more stranger was let in")
	default:
	}
	cancel()
	close(ends)
	done.Wait()
	if w := r.post("/v1/batch", strings.Replace(batch, "{", `{"writeKey":"right",`, 1), "Authorization", ""); w.Code != http.StatusOK {
		t.Errorf("a sender with its key in the body, when they are gone: %d %s", w.Code, w.Body)
	}
}

// A body that has come waits for the disk, not for its sender: others may send.
func TestStrangersWhoseBodiesHaveComeMakeRoom(t *testing.T) {
	r := newRig(t, segment.Deps{}, ingest.Options{})
	const many = 65 // bodies of 256 KiB: one more than the share of strangers holds
	reached, goOn := make(chan struct{}, many), make(chan struct{})
	r.log.Before = func(eventlog.Entry) error {
		reached <- struct{}{}
		<-goOn
		return nil
	}
	body := strings.Replace(batch, "{", `{"writeKey":"right",`, 1)
	body += strings.Repeat(" ", 256<<10-len(body))
	codes := make(chan int, many)
	for range many {
		go func() { codes <- r.post("/v1/batch", body, "Authorization", "").Code }()
	}
	for range many {
		select {
		case <-reached:
		case code := <-codes:
			t.Errorf("answered %d before the log was asked", code)
		}
	}
	close(goOn)
	for range many {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
		if t.Failed() {
			break
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add("/v1/batch", basic("right"), "", batch)
	f.Add("/v1/pixel/track?data=e30", "", "", "")
	f.Add("//v1//t/", "Bearer x", "gzip", zipped(one))
	f.Fuzz(func(t *testing.T, path, auth, enc, body string) {
		r := newRig(t, segment.Deps{}, ingest.Options{})
		w := r.post("/"+path, body, "Authorization", auth, "Content-Encoding", enc)
		if w.Code >= 500 || w.Code >= 300 && w.Code < 400 || len(r.lines()) > 0 && w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	})
}
