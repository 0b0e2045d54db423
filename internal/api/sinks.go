package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/api/apiv1"
	"strm/internal/control"
	"strm/internal/stream"
)

type sinkList struct {
	Sinks []apiv1.Sink `json:"sinks"`
}

// SinkPath names a sink.
type SinkPath struct {
	Name string `path:"name" doc:"Name of the sink"`
}

// WithExporters asks for the exporters of sinks.
type WithExporters struct {
	Recursive bool `query:"recursive" doc:"Show its batch exporters too"`
}

// put is the answer of an operation that creates or updates.
type put[T any] struct {
	Status int
	Body   T
}

func putStatus(created bool) int {
	if created {
		return http.StatusCreated
	}
	return http.StatusOK
}

func (s *server) sinks(api huma.API) {
	const tag, all, one = "sinks", "/v1/sinks", "/v1/sinks/{name}"

	register(s, api, operation(http.MethodGet, all, "list-sinks", tag, "List sinks"),
		func(ctx context.Context, in *WithExporters) (*body[sinkList], error) {
			sinks, err := s.Control.Sinks(ctx)
			if err != nil {
				return nil, err
			}
			out := sinkList{Sinks: make([]apiv1.Sink, 0, len(sinks))}
			for _, k := range sinks {
				shown, err := s.showSink(ctx, k, in.Recursive)
				if err != nil {
					return nil, err
				}
				out.Sinks = append(out.Sinks, shown)
			}
			return &body[sinkList]{out}, nil
		})

	register(s, api, operation(http.MethodGet, one, "get-sink", tag, "Show a sink"),
		func(ctx context.Context, in *struct {
			SinkPath
			WithExporters
		}) (*body[apiv1.Sink], error) {
			k, err := s.Control.Sink(ctx, in.Name)
			if err != nil {
				return nil, err
			}
			shown, err := s.showSink(ctx, k, in.Recursive)
			return &body[apiv1.Sink]{shown}, err
		})

	register(s, api, operation(http.MethodPut, one, "put-sink", tag, "Create a sink, or replace its settings and credentials"),
		func(ctx context.Context, in *struct {
			SinkPath
			Body apiv1.PutSink
		}) (*put[apiv1.Sink], error) {
			b := in.Body
			k, created, warning, err := s.Control.PutSink(ctx, control.NewSink{
				Name: in.Name, Type: b.Type, Bucket: b.Bucket, Credentials: b.Credentials,
				Endpoint: b.Endpoint, Region: b.Region, PathStyle: b.PathStyle, KeepCredentials: b.KeepCredentials,
				Role:       stream.Role{ARN: b.RoleARN, ExternalID: b.ExternalID, Endpoint: b.STSEndpoint},
				Encryption: b.Encryption, KMSKey: b.KMSKey,
			})
			if err != nil {
				return nil, err
			}
			shown, err := s.showSink(ctx, k, false)
			shown.Warning = warning
			return &put[apiv1.Sink]{putStatus(created), shown}, err
		})

	register(s, api, operation(http.MethodPost, one+"/test", "test-sink", tag, "Try a sink at once, and name the step that fails"),
		func(ctx context.Context, in *struct {
			SinkPath
			Body apiv1.TestSink
		}) (*body[apiv1.SinkTest], error) {
			k, err := s.Control.TestSink(ctx, in.Name, in.Body.PathPrefix)
			if err != nil {
				return nil, err
			}
			return &body[apiv1.SinkTest]{apiv1.SinkTest{
				Sink: k.Name, OK: k.Health.Status == stream.HealthOK, Health: *showHealth(k.Health), Bucket: k.Bucket, Prefix: k.Prefix,
				Region: k.KnownRegion(), ConditionalWrites: string(k.Conditional),
			}}, nil
		})

	register(s, api, operation(http.MethodGet, one+"/policy", "get-sink-policy", tag, "Show the least AWS policies that a sink needs"),
		func(ctx context.Context, in *struct {
			SinkPath
			Exporter  string `query:"exporter" doc:"Only for this batch exporter, NAME or STREAM/NAME"`
			Importer  string `query:"importer" doc:"Only for this batch importer"`
			Principal string `query:"principal" doc:"ARN of who holds the sink's credentials"`
			KMSKey    string `query:"kmsKey" doc:"Key of the bucket's default encryption, where the sink names none"`
			Enforce   bool   `query:"enforceEncryption" doc:"Refuse uploads without encryption"`
		}) (*body[apiv1.Policies], error) {
			set, err := s.Control.Policies(ctx, control.PolicyQuery{
				Sink: in.Name, Exporter: in.Exporter, Importer: in.Importer, Principal: in.Principal, KMSKey: in.KMSKey, Enforce: in.Enforce,
			})
			return &body[apiv1.Policies]{showPolicies(set)}, err
		})

	register(s, api, operation(http.MethodDelete, one, "delete-sink", tag, "Delete a sink"),
		func(ctx context.Context, in *struct {
			SinkPath
			Recursive bool `query:"recursive" doc:"Delete its batch exporters and batch importers first, and give up what waits of the latter"`
		}) (*none, error) {
			return nil, s.Control.DeleteSink(ctx, in.Name, in.Recursive)
		})
}

// showHealth returns nil for what is not known.
func showHealth(h stream.Health) *apiv1.Health {
	if h.Status == stream.HealthUnknown {
		return nil
	}
	return &apiv1.Health{Status: string(h.Status), Step: string(h.Step), Reason: h.Reason, At: h.At.UTC()}
}

// showSink leaves out the credentials: they go in and never come out, sealed
// or not.
func (s *server) showSink(ctx context.Context, k stream.Sink, recursive bool) (apiv1.Sink, error) {
	out := apiv1.Sink{
		Name:              k.Name,
		Type:              string(k.Type),
		Bucket:            k.Bucket,
		Prefix:            k.Prefix,
		Endpoint:          k.Endpoint,
		Region:            k.KnownRegion(),
		PathStyle:         k.PathStyle,
		RoleARN:           k.Role.ARN,
		ExternalID:        k.Role.ExternalID,
		STSEndpoint:       k.Role.Endpoint,
		Encryption:        string(k.Encryption),
		KMSKey:            k.KMSKey,
		Credentials:       k.Shape,
		Principal:         k.Principal,
		ConditionalWrites: string(k.Conditional),
		Health:            showHealth(k.Health),
		CreatedAt:         k.CreatedAt.UTC(),
		UpdatedAt:         k.UpdatedAt.UTC(),
	}
	if recursive {
		exporters, err := s.Control.SinkExporters(ctx, k.Name)
		if err != nil {
			return apiv1.Sink{}, err
		}
		out.Exporters = each(exporters, showExporter)
	}
	return out, nil
}
