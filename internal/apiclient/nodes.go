package apiclient

import (
	"context"
	"net/http"

	"strm/internal/api/apiv1"
)

// Nodes lists the processes that share the installation.
func (c *Client) Nodes(ctx context.Context) ([]apiv1.Node, error) {
	var out struct {
		Nodes []apiv1.Node `json:"nodes"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: []string{"v1", "nodes"}, out: &out})
	return out.Nodes, err
}
