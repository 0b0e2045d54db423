package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/exporter"
	"strm/internal/importer"
	"strm/internal/server"
	"strm/test/awsdouble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Accounts: ours holds users, roles and mostly buckets.
const ours, theirs = "123456789012", "999999999999"

const region = "eu-west-1"

// world is a server and the cloud it writes to.
type world struct {
	t     *testing.T
	cloud *awsdouble.Cloud
	url   string
	*apiclient.Client
	log *lockedBuffer
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

// newWorld starts a server that tries again what is blocked after so long.
func newWorld(t *testing.T, blocked time.Duration) *world {
	t.Helper()
	w := &world{t: t, cloud: awsdouble.New(region), log: &lockedBuffer{}}
	aws := httptest.NewServer(w.cloud)
	w.url = aws.URL
	ctx, stop := context.WithCancel(context.Background())
	s, err := server.Open(ctx, server.Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", AllowShortIntervals: true, MinFreeDisk: -1,
		Logger:  slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Backoff: exporter.Backoff{Min: time.Millisecond, Max: 10 * time.Millisecond, BlockedMin: blocked, BlockedMax: blocked},

		ImportBackoff: importer.Backoff{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond, Help: 20 * time.Millisecond, Full: 50 * time.Millisecond},
	})
	if err != nil {
		stop()
		aws.Close()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if w.Client, err = apiclient.New(apiclient.Options{Server: "http://" + s.Addr(), Token: s.AdminToken()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		aws.Close()
		// Whatever happened, nobody's secret was written down.
		for _, hidden := range []string{"user/secret+", "session/secret+", "IQoJb3JpZ2lu/token+"} {
			if strings.Contains(w.log.String(), hidden) {
				t.Errorf("the log shows %q", hidden)
			}
		}
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// place is a sink with exporters, the user whose credentials it has, and what
// was sent to its stream.
type place struct {
	*world
	name      string
	user      string // ARN
	role, key string // ARNs, or empty
	put       apiv1.PutSink
	exporters []apiv1.CreateExporter
	sent      int
}

// newPlace makes a user without permissions and a bucket of the owner's. The
// sink is not put yet.
func (w *world) newPlace(name, owner string) *place {
	p := &place{world: w, name: name}
	var k awsdouble.AccessKey
	p.user, k = w.cloud.AddUser(ours, name)
	w.cloud.AddBucket(owner, "bucket-"+name, region)
	file, err := json.Marshal(map[string]any{"AccessKey": map[string]string{"AccessKeyId": k.ID, "SecretAccessKey": k.Secret}})
	w.must(err)
	p.put = apiv1.PutSink{Bucket: "bucket-" + name, Credentials: string(file), Endpoint: w.url, PathStyle: true, Region: region}
	p.exporters = []apiv1.CreateExporter{{Name: name + "-0", PathPrefix: "events"}}
	return p
}

func (p *place) withRole() *place {
	p.role = p.cloud.AddRole(ours, p.name)
	p.put.RoleARN, p.put.ExternalID = p.role, "workspace-"+p.name
	return p
}

func (p *place) withKey(account string) *place {
	p.key = p.cloud.AddKey(account, "key-"+p.name)
	p.put.Encryption, p.put.KMSKey = "SSE-KMS", p.key
	return p
}

// create makes sink, stream and exporters.
func (p *place) create() {
	p.t.Helper()
	_, err := p.PutSink(p.t.Context(), p.name, p.put)
	p.must(err)
	_, err = p.CreateStream(p.t.Context(), apiv1.CreateStream{Name: p.name})
	p.must(err)
	for _, e := range p.exporters {
		e.Stream, e.Sink, e.Interval = p.name, p.name, "3600s"
		_, err = p.CreateExporter(p.t.Context(), e)
		p.must(err)
	}
}

// reopen makes the server forget what it holds of the sink: connections and
// sessions.
func (p *place) reopen() {
	p.t.Helper()
	again := p.put
	again.Credentials, again.KeepCredentials, again.Type = "", true, "S3"
	_, err := p.PutSink(p.t.Context(), p.name, again)
	p.must(err)
}

// deliver tries every exporter's validation object, then sends one event and
// waits for its delivery. It returns the reasons of those that do not deliver.
func (p *place) deliver() (reasons []string) {
	p.t.Helper()
	_, err := p.Append(p.t.Context(), apiclient.Append{Stream: p.name, Body: fmt.Appendf(nil, `{"n":%d}`+"\n", p.sent)})
	p.must(err)
	p.sent++
	for _, e := range p.exporters {
		x, err := p.Resume(p.t.Context(), p.name+"/"+e.Name)
		p.must(err)
		tried := x.Status
		f, err := p.Flush(p.t.Context(), p.name+"/"+e.Name, 10*time.Second, "")
		p.must(err)
		switch {
		case f.Done && tried.State != "blocked": // or "retrying": what waited was about to be tried again
		case tried.State == "blocked" && !f.Done:
			reasons = append(reasons, tried.Reason)
			if f.Status.State != "blocked" || strings.Contains(tried.Reason, "missing permission") != strings.Contains(f.Status.Reason, "missing permission") {
				p.t.Errorf("the trial says %q, the delivery %+v", tried.Reason, f.Status)
			}
		default:
			p.t.Errorf("%s: the trial says %+v, the delivery %+v", e.Name, tried, f.Status)
		}
	}
	return reasons
}

// check counts what was delivered: every event once for each exporter.
func (p *place) check() {
	p.t.Helper()
	seen := map[string]int{}
	for k, o := range p.cloud.Objects("bucket-" + p.name) {
		for line := range strings.Lines(string(o.Body)) {
			var e struct{ N int }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				p.t.Errorf("%s: %v", k, err)
			}
			seen[fmt.Sprint(e.N)]++
		}
		if strings.Contains(k, ".strm_test_") {
			continue // to find out more it may have been put in other ways
		}
		if p.key != "" && (o.Encryption != "aws:kms" || o.KMSKey != p.key) {
			p.t.Errorf("%s is encrypted by %s %s", k, o.Encryption, o.KMSKey)
		}
		if p.role != "" && !strings.Contains(o.PutBy, ":assumed-role/"+p.name+"/strm") {
			p.t.Errorf("%s was put by %s", k, o.PutBy)
		}
	}
	if len(seen) != p.sent {
		p.t.Errorf("%d of %d events arrived", len(seen), p.sent)
	}
	for n, times := range seen {
		if times != len(p.exporters) {
			p.t.Errorf("event %s is there %d times, for %d exporters", n, times, len(p.exporters))
		}
	}
}

// policies asks the server.
func (p *place) policies(q apiclient.PolicyQuery) apiv1.Policies {
	p.t.Helper()
	q.Principal = p.user
	out, err := p.SinkPolicies(p.t.Context(), p.name, q)
	p.must(err)
	return out
}
