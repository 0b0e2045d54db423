package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"strm/internal/api/apiv1"
)

// Source creates a source of a stream and returns its write key. flags are put
// behind those of name and stream.
func (c *CLI) Source(ctx context.Context, name, stream string, flags ...string) (string, error) {
	var src struct {
		apiv1.Source
		Wrapped *apiv1.Source `json:"source"` // where output is wrapped as the STRM CLI's is
	}
	args := append([]string{"create", "source", name, "--stream", stream, "-o", "json"}, flags...)
	if err := c.JSON(ctx, &src, args...); err != nil {
		return "", err
	}
	key := src.WriteKey
	if src.Wrapped != nil && key == "" {
		key = src.Wrapped.WriteKey
	}
	if key == "" {
		return "", fmt.Errorf("create source %s: no writeKey in the output", name)
	}
	return key, nil
}

// Batches returns the whole ledger of an exporter, page after page.
func (c *CLI) Batches(ctx context.Context, exporter string) ([]apiv1.Batch, error) {
	var all []apiv1.Batch
	for before := int64(0); ; {
		args := []string{"list", "batches", exporter, "-o", "json"}
		if before != 0 {
			args = append(args, "--before", strconv.FormatInt(before, 10))
		}
		var page struct {
			Batches []apiv1.Batch `json:"batches"`
			Next    int64         `json:"next"`
		}
		if err := c.JSON(ctx, &page, args...); err != nil {
			return nil, err
		}
		all = append(all, page.Batches...)
		if page.Next == 0 {
			return all, nil
		}
		if page.Next == before {
			return nil, fmt.Errorf("list batches %s: the page before %d names itself as the next", exporter, before)
		}
		before = page.Next
	}
}

// Exporter returns an exporter with its status.
func (c *CLI) Exporter(ctx context.Context, name string) (apiv1.Exporter, error) {
	var got struct {
		BatchExporter apiv1.Exporter `json:"batchExporter"`
	}
	err := c.JSON(ctx, &got, "get", "batch-exporter", name, "-o", "json")
	return got.BatchExporter, err
}

// Call does one request of the control API. in and out may be nil.
func (c *CLI) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Server+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: HTTP %d: %s", method, path, resp.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", method, path, err, answer)
	}
	return nil
}
