package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
)

type nodeList struct {
	Nodes []apiv1.Node `json:"nodes"`
}

func (s *server) nodes(api huma.API) {
	list := operation(http.MethodGet, "/v1/nodes", "list-nodes", "server", "List the processes that share this installation")
	list.Description = "Those that live, and those that died within a day without signing off. One that lives by its lease may be cut off all the same: /readyz of the node itself says so at once."
	register(s, api, list,
		func(ctx context.Context, _ *none) (*body[nodeList], error) {
			nodes, err := s.Control.Nodes(ctx)
			return &body[nodeList]{nodeList{each(nodes, showNode)}}, err
		})
}

func showNode(n control.Node) apiv1.Node {
	return apiv1.Node{
		ID: n.ID, Name: n.Name, Version: n.Version, Alive: n.Alive, This: n.This, StartedAt: n.StartedAt.UTC(), LeaseUntil: moment(n.LeaseUntil),
		Exporters: n.Exporters, Importers: n.Importers, Duties: append([]string{}, n.Duties...),
	}
}
