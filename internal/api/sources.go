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
	create.DefaultStatus, create.MaxBodyBytes = http.StatusCreated, maxSourceBody
	register(s, api, create,
		func(ctx context.Context, in *struct{ Body apiv1.CreateSource }) (*body[apiv1.Source], error) {
			b := in.Body
			dedup, err := readDuration("dedup window", b.Dedup)
			if err != nil {
				return nil, err
			}
			made, err := s.Control.CreateSource(ctx, control.NewSource{
				Name: b.Name, Stream: b.Stream, Kind: b.Kind, ID: b.SourceID, WriteKey: b.WriteKey, Dedup: dedup, Split: readSplit(b.Split),
			})
			out := showSource(made.Source)
			out.WriteKey, out.NewStream = made.WriteKey, made.MadeStream
			if made.Split != nil {
				out.NewStreams = made.Made
			}
			return &body[apiv1.Source]{out}, err
		})

	update := operation(http.MethodPatch, one, "update-source", tag, "Change a source's settings or write key; the answer shows a new key, once")
	update.MaxBodyBytes = maxSourceBody
	register(s, api, update,
		func(ctx context.Context, in *struct {
			SourcePath
			Body apiv1.UpdateSource
		}) (*body[apiv1.Source], error) {
			dedup, err := readDuration("dedup window", in.Body.Dedup)
			if err != nil {
				return nil, err
			}
			src, key, err := s.Control.UpdateSource(ctx, in.Name, control.SourceChange{Dedup: dedup, RotateKey: in.Body.RotateKey, WriteKey: in.Body.WriteKey, Split: readSplit(in.Body.Split)})
			out := showSource(src)
			out.WriteKey = key
			return &body[apiv1.Source]{out}, err
		})

	register(s, api, operation(http.MethodGet, one, "get-source", tag, "Show a source"),
		func(ctx context.Context, in *SourcePath) (*body[apiv1.Source], error) {
			src, err := s.Control.Source(ctx, in.Name)
			out := showSource(src)
			if out.Split != nil && s.Unknown != nil {
				out.Split.Unknown = showUnknown(s.Unknown(&src))
			}
			return &body[apiv1.Source]{out}, err
		})

	register(s, api, operation(http.MethodDelete, one, "delete-source", tag, "Delete a source; its write key is refused from then on"),
		func(ctx context.Context, in *SourcePath) (*none, error) {
			return nil, s.Control.DeleteSource(ctx, in.Name)
		})
}

func showSource(s stream.Source) apiv1.Source {
	out := apiv1.Source{Name: s.Name, Stream: s.Stream, Kind: string(s.Kind), SourceID: s.ID, CreatedAt: s.CreatedAt.UTC()}
	if s.Kind == stream.SourceSegment {
		out.Dedup = s.DedupWindow.String()
	}
	out.Split = showSplit(s.Split)
	return out
}
