package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/stream"
)

// body is an answer that is nothing but its body.
type body[T any] struct{ Body T }

// none is an answer or a request without anything.
type none struct{}

type streamList struct {
	Streams []apiv1.Stream `json:"streams"`
}

// StreamPath names a stream. Like all parts of inputs it is exported because huma
// does not look into embedded types that are not.
type StreamPath struct {
	Stream string `path:"stream" doc:"Name of the stream"`
}

func (s *server) streams(api huma.API) {
	const tag, all, one = "streams", "/v1/streams", "/v1/streams/{stream}"

	register(s, api, operation(http.MethodGet, all, "list-streams", tag, "List streams"),
		func(ctx context.Context, _ *none) (*body[streamList], error) {
			streams, err := s.Control.Streams(ctx)
			return &body[streamList]{streamList{each(streams, showStream)}}, err
		})

	create := operation(http.MethodPost, all, "create-stream", tag, "Create a stream")
	create.DefaultStatus = http.StatusCreated
	register(s, api, create,
		func(ctx context.Context, in *struct{ Body apiv1.CreateStream }) (*body[apiv1.Stream], error) {
			b := in.Body
			retention, err := readRetention(b.Retention)
			if err != nil {
				return nil, err
			}
			st, err := s.Control.CreateStream(ctx, control.NewStream{
				Name: b.Name, Partitions: b.Partitions, StrmMeta: b.StrmMeta,
				Description: b.Description, Tags: b.Tags, Retention: retention,
				Topic: control.NewTopic{Adopt: b.Topic, Values: stream.Values(b.Values), Invalid: stream.Invalid(b.Invalid)},
			})
			return &body[apiv1.Stream]{showStream(st)}, err
		})

	register(s, api, operation(http.MethodGet, one, "get-stream", tag, "Show a stream and the bounds of its partitions"),
		func(ctx context.Context, in *StreamPath) (*body[apiv1.Stream], error) {
			st, bounds, err := s.Control.Stream(ctx, in.Stream)
			out := showStream(st)
			out.Bounds = showBounds(bounds)
			if err != nil && out.Topic != nil { // brokers may be away, or the topic gone: the stream is there
				out.Problem, err = err.Error(), nil
			}
			return &body[apiv1.Stream]{out}, err
		})

	register(s, api, operation(http.MethodPatch, one, "update-stream", tag, "Change a stream's settings"),
		func(ctx context.Context, in *struct {
			StreamPath
			Body apiv1.UpdateStream
		}) (*body[apiv1.Stream], error) {
			b := in.Body
			retention, err := readRetention(b.Retention)
			if err != nil {
				return nil, err
			}
			st, err := s.Control.UpdateStream(ctx, in.Stream, control.StreamChange{
				StrmMeta: b.StrmMeta, Description: b.Description, Tags: b.Tags, Retention: retention,
				Invalid: (*stream.Invalid)(b.Invalid),
			})
			return &body[apiv1.Stream]{showStream(st)}, err
		})

	register(s, api, operation(http.MethodDelete, one, "delete-stream", tag, "Delete a stream and its events"),
		func(ctx context.Context, in *struct {
			StreamPath
			Recursive bool `query:"recursive" doc:"Delete its batch exporters too"`
		}) (*none, error) {
			_, err := s.Control.DeleteStream(ctx, in.Stream, in.Recursive)
			return nil, err
		})
}

func readRetention(r *apiv1.Retention) (*stream.Retention, error) {
	if r == nil {
		return nil, nil
	}
	out := &stream.Retention{MaxBytes: r.MaxBytes}
	if r.MaxAge != "" {
		var err error
		if out.MaxAge, err = control.ParseDuration("maximal age", r.MaxAge); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func showStream(s stream.Stream) apiv1.Stream {
	out := apiv1.Stream{
		Name:        s.Name,
		ID:          s.ID,
		Partitions:  s.Partitions,
		StrmMeta:    s.StrmMeta,
		Description: s.Description,
		Tags:        s.Tags,
		Retention:   apiv1.Retention{MaxBytes: s.Retention.MaxBytes},
		CreatedAt:   s.CreatedAt.UTC(),
	}
	if s.Retention.MaxAge > 0 {
		out.Retention.MaxAge = s.Retention.MaxAge.String()
	}
	if t := s.Topic; t.Name != "" {
		out.Topic = &apiv1.Topic{Name: t.Name, Adopted: t.Adopted, Values: string(t.Values), Invalid: string(t.Invalid)}
		if t.Values == stream.ValuesJSON {
			out.Topic.Repeats = apiv1.ExactAcrossNodes
		}
	}
	return out
}

func showBounds(bounds []eventlog.Bound) []apiv1.Partition {
	out := make([]apiv1.Partition, len(bounds))
	for i, b := range bounds {
		out[i] = apiv1.Partition{Partition: i, Floor: int64(b.Floor), End: int64(b.End), Bytes: b.Packed}
	}
	return out
}

// each maps a list; never to nil, so that an empty list is [] and not null.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}

// moment returns nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
