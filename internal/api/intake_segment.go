package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// describeSegment adds what SDKs of Segment call. It is served by
// collect/segment, which knows more paths than these.
func describeSegment(doc *huma.OpenAPI) {
	const basic = "segmentWriteKey"
	doc.Components.SecuritySchemes[basic] = &huma.SecurityScheme{
		Type: "http", Scheme: "basic", Description: "The write key of a source of kind segment as user name, without a password. A writeKey in the body does as well.",
	}
	text := &huma.Schema{Type: huma.TypeString}
	failed := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"success": {Type: huma.TypeBoolean}, "code": text, "message": text, "error": text,
	}}
	response := func(what string, s *huma.Schema) *huma.Response {
		return &huma.Response{Description: what, Content: map[string]*huma.MediaType{"application/json": {Schema: s}}}
	}

	batch := operation(http.MethodPost, "/v1/batch", "segment-batch", "intake", "Take a batch of calls from an SDK of Segment")
	batch.Description = "The same body is taken at /v1/import and /v1/b; single calls at /v1/{track,identify,page,screen,group,alias}, at /v1/{t,i,p,s,g,a}, " +
		"and as pictures at GET /v1/pixel/{type}. A call with a messageId that is known counts once. " +
		"A call without a user or an event name is dropped with 200, as Segment does; others that cannot be taken are left out, and a request without a good call is refused."
	batch.Security = []map[string][]string{{basic: {}}, {}}
	batch.Parameters = []*huma.Param{{Name: "Content-Encoding", In: "header", Description: "gzip, zstd or identity", Schema: text}}
	batch.RequestBody = &huma.RequestBody{Required: true, Description: "Any content type is read as JSON", Content: map[string]*huma.MediaType{
		"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
			"batch":    {Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}},
			"writeKey": text, "sentAt": text,
			"context": {Type: huma.TypeObject, AdditionalProperties: true},
		}}},
	}}
	batch.Responses = map[string]*huma.Response{
		"200": response("The calls are durable", &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"success": {Type: huma.TypeBoolean}}}),
		"400": response("Not JSON, too large, or without a call that can be taken", failed),
		"401": response("No or an unknown write key", failed),
		"403": response("A write key of a source of another kind", failed),
		"408": response("The body did not arrive", failed),
		"429": response("No room now; send again after Retry-After seconds", failed),
		"503": response("A fault of the server; send again", failed),
	}
	doc.AddOperation(&batch)

	settings := operation(http.MethodGet, "/v1/projects/{writeKey}/settings", "segment-settings", "intake", "Tell analytics.js and mobile SDKs where to send")
	settings.Security = []map[string][]string{{}}
	settings.Parameters = []*huma.Param{{Name: "writeKey", In: "path", Required: true, Schema: text}}
	settings.Responses = map[string]*huma.Response{
		"200": response("Settings of the SDK", &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}),
		"404": response("An unknown write key", failed),
	}
	doc.AddOperation(&settings)
}
