package api

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"strm/internal/api/apiv1"
	"strm/internal/problem"
)

// newHuma sets huma up on mux: bodies as apiv1 has them, nothing added, and
// huma's own errors in the shape of ours.
func newHuma(mux *http.ServeMux, version string) huma.API {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "strm control API",
				Version:     version,
				Description: "Streams, sources, sinks and batch exporters of one strm server.",
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					securityScheme: {Type: "http", Scheme: "bearer", Description: "The admin token of the server."},
				},
			},
		},
		Formats: map[string]huma.Format{
			"application/json": huma.DefaultJSONFormat,
			"json":             huma.DefaultJSONFormat,
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{ourErrors},
	}
	api := humago.New(mux, config)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) { next(ourStatus{ctx}) })
	return api
}

const securityScheme = "adminToken"

// ourStatus maps the statuses that huma itself chooses to those of our kinds,
// as ourErrors does in the body.
type ourStatus struct{ humaContext }

type humaContext = huma.Context // the interface has a method Context, which a field of that name would hide

func (c ourStatus) SetStatus(code int) { c.humaContext.SetStatus(statusOfHuma(code)) }

func statusOfHuma(code int) int {
	switch code {
	case http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType, http.StatusNotAcceptable, http.StatusRequestTimeout:
		return http.StatusBadRequest
	}
	return code
}

// ourErrors replaces huma's error body. Of its details it takes what and
// where, never the value: that may be a credentials file.
func ourErrors(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	kind := problem.Invalid
	switch {
	case m.Status == http.StatusRequestEntityTooLarge:
		kind = problem.TooLarge
	case m.Status >= 500:
		kind = problem.Internal
	}
	var why []string
	for _, d := range m.Errors {
		if d == nil {
			continue
		}
		what := d.Message
		if d.Location != "" {
			what = d.Location + ": " + what
		}
		if !slices.Contains(why, what) {
			why = append(why, what)
		}
	}
	detail := m.Detail
	if len(why) > 0 {
		detail += ": " + strings.Join(why, "; ")
	}
	return newFailure(kind, detail), nil
}

// register adds an operation whose errors are ours.
func register[I, O any](s *server, api huma.API, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	if op.MaxBodyBytes == 0 {
		op.MaxBodyBytes = maxBody
	}
	op.Security = []map[string][]string{{securityScheme: {}}}
	op.Responses = map[string]*huma.Response{"default": problemResponse(api.OpenAPI())}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.failureOf(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

func problemResponse(doc *huma.OpenAPI) *huma.Response {
	return &huma.Response{
		Description: "Anything that went wrong",
		Content: map[string]*huma.MediaType{
			apiv1.ProblemType: {Schema: doc.Components.Schemas.Schema(reflect.TypeFor[apiv1.Problem](), true, "")},
		},
	}
}

// document renders the OpenAPI document.
func document(api huma.API) (asJSON, asYAML []byte, err error) {
	doc := api.OpenAPI()
	// huma registers its own error body, which ourErrors replaces.
	delete(doc.Components.Schemas.Map(), "ErrorModel")
	delete(doc.Components.Schemas.Map(), "ErrorDetail")
	if asJSON, err = doc.MarshalJSON(); err != nil {
		return nil, nil, err
	}
	asYAML, err = doc.YAML()
	return asJSON, asYAML, err
}

// operation shortens what every registration says.
func operation(method, path, id, tag, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary}
}
