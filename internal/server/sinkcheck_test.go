package server_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/objstore/s3server"
	"strm/internal/objstore/s3server/s3fault"
	"strm/internal/server"
)

// Nobody uses the sink and nobody asks: its health follows what the bucket
// permits, and the bucket keeps the one object of the trial at the save.
func TestHealthOfAnIdleSinkFollowsItsBucket(t *testing.T) {
	srv, err := s3server.New(s3server.Options{Dir: t.TempDir(), Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.CreateBucket("bucket"); err != nil {
		t.Fatal(err)
	}
	store := s3fault.Wrap(srv, s3fault.Options{Policy: s3fault.LeastPrivilege("bucket", "top", ".jsonl")})
	endpoint := httptest.NewServer(store)
	t.Cleanup(endpoint.Close)

	r := start(t, server.Config{Data: t.TempDir(), SinkCheckInterval: time.Second})
	r.must("PUT", "/v1/sinks/s3", fmt.Sprintf(`{"bucket":"bucket/top","endpoint":%q,"pathStyle":true,"region":"eu-west-1",`+
		`"credentials":"{\"AccessKey\":{\"AccessKeyId\":\"AKIAEXAMPLEEXAMPLE12\",\"SecretAccessKey\":\"wJalrXUtnFEMI7K7MDENG2bPxRfiCY3EXAMPLE4K\"}}"}`, endpoint.URL))
	health := func() apiv1.Health {
		var k apiv1.Sink
		if err := json.Unmarshal([]byte(r.must("GET", "/v1/sinks/s3", "")), &k); err != nil || k.Health == nil {
			t.Fatalf("%+v, %v", k, err)
		}
		return *k.Health
	}
	saved := health()
	if saved.Status != "ok" {
		t.Fatalf("at the save: %+v", saved)
	}
	store.SetPolicy(func(s3fault.Request) bool { return false })
	r.until("it fails", func() bool { return health().Status == "failing" })
	if h := health(); h.Step != "put" || !strings.Contains(h.Reason, "s3:PutObject") || !h.At.After(saved.At) {
		t.Errorf("failing: %+v", h)
	}
	if m := r.must("GET", "/metrics", ""); !strings.Contains(m, `strm_sink_health{sink="s3"} 0`) {
		t.Error("no metric says so")
	}
	store.SetPolicy(nil)
	r.until("it recovers", func() bool { return health().Status == "ok" })
	stored := map[string]bool{}
	for _, rec := range store.Records() {
		if rec.Stored {
			stored[rec.Key] = true
		}
		if rec.Action != "s3:PutObject" && rec.Action != "s3:GetBucketLocation" && !rec.Denied {
			t.Errorf("%s is more than the trial at the save needs", rec.Action)
		}
	}
	if len(stored) != 1 {
		t.Errorf("objects in the bucket: %v", stored)
	}
}

func TestSinkCheckIntervalHasALowerBound(t *testing.T) {
	for every, short := range map[time.Duration]bool{time.Second: false, time.Millisecond: true} {
		_, err := server.Open(t.Context(), server.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", SinkCheckInterval: every, AllowShortIntervals: short})
		if err == nil || !strings.Contains(err.Error(), "--sink-check-interval") {
			t.Errorf("every %v: %v", every, err)
		}
	}
}
