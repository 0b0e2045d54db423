package apiclient

import (
	"context"
	"net/http"
	"net/url"

	"strm/internal/api/apiv1"
)

// Info is the answer to GET /v1/info.
type Info struct {
	Installation      string `json:"installation"`
	Version           string `json:"version"`
	IdempotencyWindow string `json:"idempotencyWindow"` // a duration; how long the intake remembers a key
}

// Info tells which server this is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var out Info
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "info"}, out: &out})
	return out, err
}

// recursive returns the query of a request that may take dependents along.
func recursive(yes bool) url.Values {
	if !yes {
		return nil
	}
	return url.Values{"recursive": {"true"}}
}

// Streams lists all streams.
func (c *Client) Streams(ctx context.Context) ([]apiv1.Stream, error) {
	var out struct {
		Streams []apiv1.Stream `json:"streams"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "streams"}, out: &out})
	return out.Streams, err
}

// Stream returns one stream with the bounds of its partitions.
func (c *Client) Stream(ctx context.Context, name string) (apiv1.Stream, error) {
	var out apiv1.Stream
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "streams", name}, out: &out})
	return out, err
}

// CreateStream makes a stream.
func (c *Client) CreateStream(ctx context.Context, in apiv1.CreateStream) (apiv1.Stream, error) {
	var out apiv1.Stream
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "streams"}, body: in, out: &out})
	return out, err
}

// UpdateStream changes the fields that are set.
func (c *Client) UpdateStream(ctx context.Context, name string, in apiv1.UpdateStream) (apiv1.Stream, error) {
	var out apiv1.Stream
	err := c.call(ctx, request{method: http.MethodPatch, path: []string{"v1", "streams", name}, body: in, out: &out})
	return out, err
}

// DeleteStream removes a stream, with its sources and exporters if all is set.
func (c *Client) DeleteStream(ctx context.Context, name string, all bool) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"v1", "streams", name}, query: recursive(all)})
}

// Sources lists all sources.
func (c *Client) Sources(ctx context.Context) ([]apiv1.Source, error) {
	var out struct {
		Sources []apiv1.Source `json:"sources"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "sources"}, out: &out})
	return out.Sources, err
}

// Source returns one source, without its write key.
func (c *Client) Source(ctx context.Context, name string) (apiv1.Source, error) {
	var out apiv1.Source
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "sources", name}, out: &out})
	return out, err
}

// CreateSource makes a source; the answer alone carries its write key.
func (c *Client) CreateSource(ctx context.Context, in apiv1.CreateSource) (apiv1.Source, error) {
	var out apiv1.Source
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "sources"}, body: in, out: &out})
	return out, err
}

// UpdateSource changes the fields that are set; the answer alone carries a new
// write key.
func (c *Client) UpdateSource(ctx context.Context, name string, in apiv1.UpdateSource) (apiv1.Source, error) {
	var out apiv1.Source
	err := c.call(ctx, request{method: http.MethodPatch, path: []string{"v1", "sources", name}, body: in, out: &out})
	return out, err
}

// DeleteSource removes a source; its write key stops working.
func (c *Client) DeleteSource(ctx context.Context, name string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"v1", "sources", name}})
}

// Sinks lists all sinks.
func (c *Client) Sinks(ctx context.Context) ([]apiv1.Sink, error) {
	var out struct {
		Sinks []apiv1.Sink `json:"sinks"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "sinks"}, out: &out})
	return out.Sinks, err
}

// Sink returns one sink.
func (c *Client) Sink(ctx context.Context, name string) (apiv1.Sink, error) {
	var out apiv1.Sink
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "sinks", name}, out: &out})
	return out, err
}

// PutSink creates or replaces a sink.
func (c *Client) PutSink(ctx context.Context, name string, in apiv1.PutSink) (apiv1.Sink, error) {
	var out apiv1.Sink
	err := c.call(ctx, request{method: http.MethodPut, path: []string{"v1", "sinks", name}, body: in, out: &out})
	return out, err
}

// TestSink tries a sink at once, under a path prefix below the sink's own if
// one is given. That the sink fails is no error.
func (c *Client) TestSink(ctx context.Context, name, pathPrefix string) (apiv1.SinkTest, error) {
	var out apiv1.SinkTest
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "sinks", name, "test"}, body: apiv1.TestSink{PathPrefix: pathPrefix}, out: &out})
	return out, err
}

// PolicyQuery says for whom SinkPolicies are wanted; empty fields say nothing.
type PolicyQuery struct {
	Exporter  string // NAME or STREAM/NAME
	Importer  string // not with Exporter
	Principal string
	KMSKey    string
	Enforce   bool
}

// SinkPolicies returns the least policies that a sink needs.
func (c *Client) SinkPolicies(ctx context.Context, name string, q PolicyQuery) (apiv1.Policies, error) {
	query := url.Values{}
	for k, v := range map[string]string{"exporter": q.Exporter, "importer": q.Importer, "principal": q.Principal, "kmsKey": q.KMSKey} {
		if v != "" {
			query.Set(k, v)
		}
	}
	if q.Enforce {
		query.Set("enforceEncryption", "true")
	}
	var out apiv1.Policies
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "sinks", name, "policy"}, query: query, out: &out})
	return out, err
}

// DeleteSink removes a sink, with its exporters if all is set.
func (c *Client) DeleteSink(ctx context.Context, name string, all bool) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"v1", "sinks", name}, query: recursive(all)})
}
