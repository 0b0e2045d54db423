package s3fault_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/objstore/s3server/s3fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const bucketName = "demo-bucket"

func start(t *testing.T, o s3fault.Options) (*s3fault.Handler, *s3.Bucket) {
	t.Helper()
	srv, err := s3server.New(s3server.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	h := s3fault.Wrap(srv, o)
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	b, err := s3.Open(t.Context(), s3.Config{Bucket: bucketName, Endpoint: ts.URL, PathStyle: true, Region: "us-east-1",
		AccessKeyID: "AKIA", SecretAccessKey: "x"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return h, b
}

// Each fault, seen by our own client: outcome, reason, and whether the object
// is there afterwards, which the second attempt tells.
func TestFaults(t *testing.T) {
	tests := []struct {
		name    string
		fault   s3fault.Fault
		outcome objstore.Outcome
		reason  objstore.Reason
		stored  bool
	}{
		{"dropped", s3fault.Fault{Kind: s3fault.Drop}, objstore.Ambiguous, "", false},
		{"answer lost", s3fault.Fault{Kind: s3fault.Drop, After: true}, objstore.Ambiguous, "", true},
		{"reset", s3fault.Fault{Kind: s3fault.Reset}, objstore.Ambiguous, "", false},
		{"reset after", s3fault.Fault{Kind: s3fault.Reset, After: true}, objstore.Ambiguous, "", true},
		{"500", s3fault.Fault{Kind: s3fault.Internal}, objstore.Ambiguous, "", false},
		{"500 after", s3fault.Fault{Kind: s3fault.Internal, After: true}, objstore.Ambiguous, "", true},
		{"503", s3fault.Fault{Kind: s3fault.Busy}, objstore.Ambiguous, objstore.Throttled, false},
		{"503 after", s3fault.Fault{Kind: s3fault.Busy, After: true}, objstore.Ambiguous, objstore.Throttled, true},
		{"409", s3fault.Fault{Kind: s3fault.Conflict}, objstore.Rejected, objstore.Contended, false},
		{"200 with error", s3fault.Fault{Kind: s3fault.ErrorIn200}, objstore.Ambiguous, "", false},
		{"200 with error after", s3fault.Fault{Kind: s3fault.ErrorIn200, After: true}, objstore.Ambiguous, "", true},
		{"any answer", s3fault.Fault{Kind: s3fault.Answer, Status: 403, Code: "InvalidAccessKeyId"}, objstore.Rejected, objstore.BadCredentials, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			over := make(chan s3fault.Record, 2)
			_, b := start(t, s3fault.Options{
				Decide: func(r s3fault.Request) s3fault.Fault {
					if r.Action == "s3:PutObject" && r.N == 0 {
						return tt.fault
					}
					return s3fault.Fault{}
				},
				Notify: func(r s3fault.Record) { over <- r },
			})
			c := objstore.Bytes([]byte(strings.Repeat("body", 20_000)))
			e := objstoretest.Want(t, b.Create(t.Context(), "k.jsonl", c), tt.outcome)
			if e.Reason != tt.reason {
				t.Errorf("reason %q, want %q", e.Reason, tt.reason)
			}
			err := b.Create(t.Context(), "k.jsonl", c)
			if tt.stored {
				objstoretest.Want(t, err, objstore.Exists)
			} else if err != nil {
				t.Errorf("the second attempt: %v", err)
			}
			for range 2 { // a client can be told before its request is over here
				if r := <-over; r.Stored != (tt.stored == (r.N == 0)) {
					t.Errorf("record %v", r)
				}
			}
		})
	}
}

func TestLeastPrivilege(t *testing.T) {
	allowed := s3fault.LeastPrivilege("b", "some/prefix", ".jsonl")
	root := s3fault.LeastPrivilege("b", "", ".jsonl")
	tests := []struct {
		action, bucket, key string
		allowed, root       bool
	}{
		{"s3:PutObject", "b", "some/prefix/x.jsonl", true, true},
		{"s3:PutObject", "b", "some/prefix/.strm_test_1.jsonl", true, true},
		{"s3:PutObject", "b", "some/prefix/dt=1/hour=2/x.jsonl", true, true},
		{"s3:PutObject", "b", "some/prefix/x.jsonl.gz", false, false},
		{"s3:PutObject", "b", "some/prefixx.jsonl", false, true},
		{"s3:PutObject", "b", "x.jsonl", false, true},
		{"s3:PutObject", "c", "some/prefix/x.jsonl", false, false},
		{"s3:GetObject", "b", "some/prefix/x.jsonl", false, false},
		{"s3:DeleteObject", "b", "some/prefix/x.jsonl", false, false},
		{"s3:ListBucket", "b", "", false, false},
		{"s3:GetBucketLocation", "b", "", true, true},
		{"", "b", "", false, false},
	}
	for _, tt := range tests {
		r := s3fault.Request{Action: tt.action, Bucket: tt.bucket, Key: tt.key}
		if allowed(r) != tt.allowed || root(r) != tt.root {
			t.Errorf("%+v: %v %v", tt, allowed(r), root(r))
		}
	}
}

func TestPolicyCanBeMended(t *testing.T) {
	h, b := start(t, s3fault.Options{Policy: func(s3fault.Request) bool { return false }})
	e := objstoretest.Want(t, b.Create(t.Context(), "k.jsonl", objstore.Bytes(nil)), objstore.Rejected)
	if e.Reason != objstore.Denied {
		t.Errorf("%v", e)
	}
	h.SetPolicy(nil)
	if err := b.Create(t.Context(), "k.jsonl", objstore.Bytes(nil)); err != nil {
		t.Error(err)
	}
}

// The rates are met, the same requests meet the same faults, other seeds others.
func TestRates(t *testing.T) {
	rates, err := s3fault.ReadRates(strings.NewReader(
		`{"seed":1,"drop":0.05,"lost_answer":0.1,"busy":0.1,"conflict":0.05,"slow":0.1,"slow_ms":5,"max_per_key":3}`))
	if err != nil {
		t.Fatal(err)
	}
	decide, again := rates.Decide(), rates.Decide()
	rates.Seed = 2
	other := rates.Decide()
	const n = 20_000
	counts := map[s3fault.Fault]int{}
	same := 0
	for i := range n {
		r := s3fault.Request{Action: "s3:PutObject", Bucket: "b", Key: "k" + strings.Repeat("x", i%50), N: 0, Method: http.MethodPut}
		r.Key += string(rune('0'+i%10)) + string(rune('a'+i/10%26)) + string(rune('A'+i/260%26)) + string(rune('a'+i/6760))
		f := decide(r)
		if f != again(r) {
			t.Fatal("not deterministic")
		}
		if f == other(r) {
			same++
		}
		counts[f]++
		r.N = 3
		if f := decide(r); f != (s3fault.Fault{}) {
			t.Fatalf("a fault beyond max_per_key: %+v", f)
		}
		r.N, r.Action = 0, "s3:GetObject"
		if f := decide(r); f != (s3fault.Fault{}) {
			t.Fatalf("a fault for another action: %+v", f)
		}
	}
	if same == n {
		t.Error("the seed has no effect")
	}
	for f, want := range map[s3fault.Fault]float64{
		{Kind: s3fault.Drop}: 0.05, {Kind: s3fault.Drop, After: true}: 0.1, {Kind: s3fault.Busy}: 0.1, {Kind: s3fault.Conflict}: 0.05, {}: 0.6} {
		if got := float64(counts[f]) / n; math.Abs(got-want) > 0.015 {
			t.Errorf("%+v: %.3f of the requests, want %.2f", f, got, want)
		}
	}
	for _, bad := range []string{`{"drop":0.7,"busy":0.7}`, `{"drop":-1}`, `{"drp":0.1}`, `x`} {
		if _, err := s3fault.ReadRates(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}
