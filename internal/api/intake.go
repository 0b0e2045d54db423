package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// writeKeyScheme is how sources prove who they are.
const writeKeyScheme = "writeKey"

// describeIntake adds the ways in to the document. They are served by
// collect/events, beside the control plane; people look for them here.
func describeIntake(doc *huma.OpenAPI) {
	doc.Components.SecuritySchemes[writeKeyScheme] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", Description: "The write key of a source, shown once when the source is created.",
	}
	header := func(name, what string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: what, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	either := []map[string][]string{{writeKeyScheme: {}}, {securityScheme: {}}}
	object := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}

	many := operation(http.MethodPost, eventsPath, "send-events", "intake", "Send events: all of a request are accepted, or none")
	many.Security = either
	many.Parameters = []*huma.Param{
		{Name: "stream", In: "path", Required: true, Description: "Name of the stream", Schema: &huma.Schema{Type: huma.TypeString}},
		header("Idempotency-Key", "A repeated request with the same key counts once, for 24 hours unless the server says otherwise"),
		header("Content-Encoding", "gzip, zstd or identity"),
		header("Strm-Partition-Key", "Requests with equal keys go to one partition, in order"),
		header("Strm-Schema-Id", "schemaId of the strmMeta that is added"),
		header("Strm-Schema-Ref", "eventContractRef of the strmMeta that is added"),
	}
	many.RequestBody = &huma.RequestBody{Required: true, Description: "One JSON object, an array of them, or newline-delimited JSON", Content: map[string]*huma.MediaType{
		"application/json":     {Schema: &huma.Schema{OneOf: []*huma.Schema{object, {Type: huma.TypeArray, Items: object}}}},
		"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	many.Responses = map[string]*huma.Response{
		"200": {
			Description: "The events are durable. Idempotent-Replayed: true says that they were so before",
			Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
				Type: huma.TypeObject, Required: []string{"accepted"}, Properties: map[string]*huma.Schema{"accepted": {Type: huma.TypeInteger}},
			}}},
		},
		"429":     {Description: "No room now; send again after Retry-After seconds"},
		"default": problemResponse(doc),
	}
	doc.AddOperation(&many)

	one := operation(http.MethodPost, "/event", "send-event", "intake", "Send one event in STRM's manner; the write key chooses the stream")
	one.Security = either[:1]
	one.Parameters = many.Parameters[4:]
	one.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: object}}}
	one.Responses = map[string]*huma.Response{
		"204": {Description: "The event is durable"},
		"400": {Description: "The reason, as plain text", Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}},
		"401": {Description: "No or an unknown write key"},
		"429": {Description: "No room now; send again after Retry-After seconds"},
	}
	doc.AddOperation(&one)
	describeSegment(doc)
	describeSplit(doc)
}
