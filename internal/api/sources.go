package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/stream"
)

type sourceList struct {
	Sources []apiv1.Source `json:"sources"`
}

// SourcePath names a source.
type SourcePath struct {
	Name string `path:"name" doc:"Name of the source"`
}

func (s *server) sources(api huma.API) {
	const tag, all, one = "sources", "/v1/sources", "/v1/sources/{name}"

	register(s, api, operation(http.MethodGet, all, "list-sources", tag, "List sources"),
		func(ctx context.Context, _ *none) (*body[sourceList], error) {
			sources, err := s.Control.Sources(ctx)
			return &body[sourceList]{sourceList{each(sources, showSource)}}, err
		})

	create := operation(http.MethodPost, all, "create-source", tag, "Create a source; the answer shows its write key, once")
	create.DefaultStatus = http.StatusCreated
	register(s, api, create,
		func(ctx context.Context, in *struct{ Body apiv1.CreateSource }) (*body[apiv1.Source], error) {
			src, err := s.Control.CreateSource(ctx, control.NewSource{Name: in.Body.Name, Stream: in.Body.Stream, Kind: in.Body.Kind})
			out := showSource(src.Source)
			out.WriteKey = src.WriteKey
			return &body[apiv1.Source]{out}, err
		})

	register(s, api, operation(http.MethodGet, one, "get-source", tag, "Show a source"),
		func(ctx context.Context, in *SourcePath) (*body[apiv1.Source], error) {
			src, err := s.Control.Source(ctx, in.Name)
			return &body[apiv1.Source]{showSource(src)}, err
		})

	register(s, api, operation(http.MethodDelete, one, "delete-source", tag, "Delete a source; its write key is refused from then on"),
		func(ctx context.Context, in *SourcePath) (*none, error) {
			return nil, s.Control.DeleteSource(ctx, in.Name)
		})
}

func showSource(s stream.Source) apiv1.Source {
	return apiv1.Source{Name: s.Name, Stream: s.Stream, Kind: string(s.Kind), CreatedAt: s.CreatedAt.UTC()}
}
