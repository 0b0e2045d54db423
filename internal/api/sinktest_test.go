package api_test

import (
	"testing"

	"strm/internal/api/apiv1"
	"strm/internal/control/controltest"
	"strm/internal/stream"
)

// A sink that cannot be written to is stored and says so, wherever it is shown.
func TestSinkHealth(t *testing.T) {
	s := newSite(t)
	s.Runner.TestHealth = stream.Health{Status: stream.HealthFailing, Step: stream.StepRole, Reason: "the role cannot be assumed"}
	want := func(where string, h *apiv1.Health, status, step string) {
		t.Helper()
		if h == nil || h.Status != status || h.Step != step || (h.Reason == "") != (step == "") || h.At.IsZero() {
			t.Errorf("%s: health %+v", where, h)
		}
	}
	var k apiv1.Sink
	s.want(201, "PUT", "/v1/sinks/s3", apiv1.PutSink{Bucket: "b/top", Credentials: controltest.Credentials, Region: "eu-west-1"}, &k)
	want("put", k.Health, "failing", "role")
	k = apiv1.Sink{}
	s.want(200, "GET", "/v1/sinks/s3", nil, &k)
	want("get", k.Health, "failing", "role")
	var list struct{ Sinks []apiv1.Sink }
	s.want(200, "GET", "/v1/sinks", nil, &list)
	want("list", list.Sinks[0].Health, "failing", "role")

	var got apiv1.SinkTest
	s.want(200, "POST", "/v1/sinks/s3/test", apiv1.TestSink{PathPrefix: "events"}, &got)
	want("test", &got.Health, "failing", "role")
	if got.OK || got.Sink != "s3" || got.Bucket != "b" || got.Prefix != "top" || got.Region != "eu-west-1" {
		t.Errorf("test %+v", got)
	}
	s.Runner.TestHealth = stream.Health{}
	got = apiv1.SinkTest{}
	s.want(200, "POST", "/v1/sinks/s3/test", apiv1.TestSink{}, &got)
	want("mended", &got.Health, "ok", "")
	if !got.OK {
		t.Errorf("mended %+v", got)
	}
	k = apiv1.Sink{}
	s.want(200, "GET", "/v1/sinks/s3", nil, &k)
	want("mended, get", k.Health, "ok", "")

	s.refused(404, "POST", "/v1/sinks/nope/test", apiv1.TestSink{})
	s.refused(400, "POST", "/v1/sinks/s3/test", apiv1.TestSink{PathPrefix: "a//b"})
}
