package apiclient

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// exporter returns the path and query of an exporter named NAME or STREAM/NAME.
func exporter(ref string, action ...string) ([]string, url.Values) {
	q := url.Values{}
	name := ref
	if s, n, ok := strings.Cut(ref, "/"); ok {
		name = n
		q.Set("stream", s)
	}
	return append([]string{"v1", "batch-exporters", name}, action...), q
}

// Exporters lists the exporters of one stream, or all when stream is empty.
func (c *Client) Exporters(ctx context.Context, stream string) ([]apiv1.Exporter, error) {
	var out struct {
		Exporters []apiv1.Exporter `json:"batchExporters"`
	}
	q := url.Values{}
	if stream != "" {
		q.Set("stream", stream)
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "batch-exporters"}, query: q, out: &out})
	return out.Exporters, err
}

// Exporter returns one exporter by NAME or STREAM/NAME.
func (c *Client) Exporter(ctx context.Context, ref string) (apiv1.Exporter, error) {
	path, q := exporter(ref)
	var out apiv1.Exporter
	err := c.call(ctx, request{method: http.MethodGet, path: path, query: q, out: &out})
	return out, err
}

// CreateExporter makes an exporter.
func (c *Client) CreateExporter(ctx context.Context, in apiv1.CreateExporter) (apiv1.Exporter, error) {
	var out apiv1.Exporter
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "batch-exporters"}, body: in, out: &out})
	return out, err
}

// PutExporter creates or updates the exporter STREAM/NAME.
func (c *Client) PutExporter(ctx context.Context, ref string, in apiv1.CreateExporter) (apiv1.Exporter, error) {
	path, q := exporter(ref)
	var out apiv1.Exporter
	err := c.call(ctx, request{method: http.MethodPut, path: path, query: q, body: in, out: &out})
	return out, err
}

// UpdateExporter changes the fields that are set.
func (c *Client) UpdateExporter(ctx context.Context, ref string, in apiv1.UpdateExporter) (apiv1.Exporter, error) {
	path, q := exporter(ref)
	var out apiv1.Exporter
	err := c.call(ctx, request{method: http.MethodPatch, path: path, query: q, body: in, out: &out})
	return out, err
}

// DeleteExporter removes an exporter. Delivered objects stay in the bucket.
func (c *Client) DeleteExporter(ctx context.Context, ref string) error {
	path, q := exporter(ref)
	return c.call(ctx, request{method: http.MethodDelete, path: path, query: q})
}

// Pause stops an exporter from planning and delivering.
func (c *Client) Pause(ctx context.Context, ref string) (apiv1.Exporter, error) {
	return c.act(ctx, ref, "pause")
}

// Resume lets a paused exporter go on.
func (c *Client) Resume(ctx context.Context, ref string) (apiv1.Exporter, error) {
	return c.act(ctx, ref, "resume")
}

func (c *Client) act(ctx context.Context, ref, action string) (apiv1.Exporter, error) {
	path, q := exporter(ref, action)
	var out apiv1.Exporter
	err := c.call(ctx, request{method: http.MethodPost, path: path, query: q, out: &out})
	return out, err
}

// Flush asks for a batch of everything that waits now and lets the server wait
// up to wait for its delivery. A token of an earlier answer goes on waiting for
// that flush instead of beginning another.
func (c *Client) Flush(ctx context.Context, ref string, wait time.Duration, token string) (apiv1.Flush, error) {
	path, q := exporter(ref, "flush")
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	if token != "" {
		q.Set("until", token)
	}
	var out apiv1.Flush
	err := c.call(ctx, request{method: http.MethodPost, path: path, query: q, out: &out, limit: callTimeout + wait})
	return out, err
}

// Replay plans past ranges again into another prefix.
func (c *Client) Replay(ctx context.Context, ref string, in apiv1.Replay) (apiv1.Replayed, error) {
	path, q := exporter(ref, "replay")
	var out apiv1.Replayed
	err := c.call(ctx, request{method: http.MethodPost, path: path, query: q, body: in, out: &out, limit: -1})
	return out, err
}

// CancelReplay gives up what is unfinished of a replay. What it has delivered
// stays in the bucket.
func (c *Client) CancelReplay(ctx context.Context, ref, replay string) (apiv1.Cancelled, error) {
	path, q := exporter(ref, "replays", replay)
	var out apiv1.Cancelled
	err := c.call(ctx, request{method: http.MethodDelete, path: path, query: q, out: &out})
	return out, err
}

// Verify compares the ledger with itself and, where reading is allowed, with
// the bucket. It takes as long as reading the bucket takes.
func (c *Client) Verify(ctx context.Context, ref string) (apiv1.Verification, error) {
	path, q := exporter(ref, "verify")
	var out apiv1.Verification
	err := c.call(ctx, request{method: http.MethodPost, path: path, query: q, out: &out, limit: -1})
	return out, err
}

// Object opens a delivered object as it is stored, read by the server. The
// caller closes it; a body that ends early is an error of its reader.
func (c *Client) Object(ctx context.Context, ref, key string) (io.ReadCloser, error) {
	path, q := exporter(ref, "objects")
	q.Set("key", key)
	res, err := c.send(ctx, request{method: http.MethodGet, path: path, query: q}, nil,
		http.Header{"Accept": {"application/octet-stream, application/problem+json"}, "Accept-Encoding": {"identity"}})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}

// BatchQuery narrows a list of batches. Zero fields do not narrow.
type BatchQuery struct {
	Limit  int
	Before int64 // sequence number; only older batches
	State  string
	Replay string // id of a replay; only its batches
}

// BatchPage is one page of batches, newest first.
type BatchPage struct {
	Batches []apiv1.Batch `json:"batches"`
	Next    int64         `json:"next"` // pass as Before for the next page; 0 at the end
}

// Batches lists an exporter's batches.
func (c *Client) Batches(ctx context.Context, ref string, b BatchQuery) (BatchPage, error) {
	path, q := exporter(ref, "batches")
	if b.Limit > 0 {
		q.Set("limit", strconv.Itoa(b.Limit))
	}
	if b.Before > 0 {
		q.Set("before", strconv.FormatInt(b.Before, 10))
	}
	if b.State != "" {
		q.Set("state", b.State)
	}
	if b.Replay != "" {
		q.Set("replay", b.Replay)
	}
	var out BatchPage
	err := c.call(ctx, request{method: http.MethodGet, path: path, query: q, out: &out})
	return out, err
}

// Batch returns one batch by its id.
func (c *Client) Batch(ctx context.Context, id string) (apiv1.Batch, error) {
	var out apiv1.Batch
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "batches", id}, out: &out})
	return out, err
}
