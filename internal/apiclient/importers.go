package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"strm/internal/api/apiv1"
)

// Importers lists the importers into one stream, or all when stream is empty.
func (c *Client) Importers(ctx context.Context, stream string) ([]apiv1.Importer, error) {
	var out struct {
		Importers []apiv1.Importer `json:"batchImporters"`
	}
	q := url.Values{}
	if stream != "" {
		q.Set("stream", stream)
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "batch-importers"}, query: q, out: &out})
	return out.Importers, err
}

// Importer returns one importer.
func (c *Client) Importer(ctx context.Context, name string) (apiv1.Importer, error) {
	var out apiv1.Importer
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "batch-importers", name}, out: &out})
	return out, err
}

// CreateImporter makes an importer.
func (c *Client) CreateImporter(ctx context.Context, in apiv1.CreateImporter) (apiv1.Importer, error) {
	var out apiv1.Importer
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "batch-importers"}, body: in, out: &out})
	return out, err
}

// UpdateImporter changes the fields that are set.
func (c *Client) UpdateImporter(ctx context.Context, name string, in apiv1.UpdateImporter) (apiv1.Importer, error) {
	var out apiv1.Importer
	err := c.call(ctx, request{method: http.MethodPatch, path: []string{"v1", "batch-importers", name}, body: in, out: &out})
	return out, err
}

// DeleteImporter removes an importer. What it imported stays.
func (c *Client) DeleteImporter(ctx context.Context, name string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: []string{"v1", "batch-importers", name}})
}

// PauseImporter stops an importer.
func (c *Client) PauseImporter(ctx context.Context, name string) (apiv1.Importer, error) {
	return c.actImporter(ctx, name, "pause")
}

// ResumeImporter lets a paused importer go on.
func (c *Client) ResumeImporter(ctx context.Context, name string) (apiv1.Importer, error) {
	return c.actImporter(ctx, name, "resume")
}

func (c *Client) actImporter(ctx context.Context, name, action string) (apiv1.Importer, error) {
	var out apiv1.Importer
	err := c.call(ctx, request{method: http.MethodPost, path: []string{"v1", "batch-importers", name, action}, out: &out})
	return out, err
}

// ImportQuery narrows a list of imports. Zero fields do not narrow.
type ImportQuery struct {
	Importer string
	State    string
	Prefix   string // of keys
	Limit    int
	Before   int64 // id; only older imports
}

// ImportPage is one page of imports, newest first.
type ImportPage struct {
	Imports []apiv1.Import `json:"imports"`
	Next    int64          `json:"next"` // pass as Before for the next page; 0 at the end
}

// Imports lists imported files.
func (c *Client) Imports(ctx context.Context, i ImportQuery) (ImportPage, error) {
	q := url.Values{}
	for k, v := range map[string]string{"importer": i.Importer, "state": i.State, "prefix": i.Prefix} {
		if v != "" {
			q.Set(k, v)
		}
	}
	if i.Limit > 0 {
		q.Set("limit", strconv.Itoa(i.Limit))
	}
	if i.Before > 0 {
		q.Set("before", strconv.FormatInt(i.Before, 10))
	}
	var out ImportPage
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "imports"}, query: q, out: &out})
	return out, err
}

// Import returns one import with its status entries.
func (c *Client) Import(ctx context.Context, id string) (apiv1.Import, error) {
	var out apiv1.Import
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "imports", id}, out: &out})
	return out, err
}
