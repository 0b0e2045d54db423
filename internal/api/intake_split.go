package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// describeSplit adds what SDKs of Split (Harness FME) call. It is served by
// collect/split, which knows more paths than these.
func describeSplit(doc *huma.OpenAPI) {
	const bearer = "splitSDKKey"
	doc.Components.SecuritySchemes[bearer] = &huma.SecurityScheme{
		Type: "http", Scheme: "bearer", Description: "The write key of a source of kind split. Beacons carry it in the body as token, an impression listener in its path.",
	}
	text := &huma.Schema{Type: huma.TypeString}
	failed := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{
		"success": {Type: huma.TypeBoolean}, "code": text, "message": text, "error": text,
	}}
	said := func(what string, s *huma.Schema) *huma.Response {
		return &huma.Response{Description: what, Content: map[string]*huma.MediaType{"application/json": {Schema: s}}}
	}
	open := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
	header := func(name, what string) *huma.Param {
		return &huma.Param{Name: name, In: "header", Description: what, Schema: text}
	}
	post := func(path, id, summary, description string, schema *huma.Schema) {
		op := operation(http.MethodPost, path, id, "intake", summary)
		op.Description = description
		op.Security = []map[string][]string{{bearer: {}}, {}}
		op.Parameters = []*huma.Param{
			header("SplitSDKVersion", "Name and version of the SDK"), header("SplitSDKMachineName", "NA, unknown or absent: null"), header("SplitSDKMachineIP", "NA, unknown or absent: null"),
			header("SplitSDKImpressionsMode", "Of impressions"), header("Content-Encoding", "gzip, zstd or identity"),
		}
		op.RequestBody = &huma.RequestBody{Required: true, Description: "Any content type is read as JSON", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
		op.Responses = map[string]*huma.Response{
			"200": said("The entries are durable; those that cannot be kept are left out and counted", open),
			"400": said("Not JSON", failed),
			"401": said("No or an unknown SDK key", failed),
			"403": said("A write key of a source of another kind", failed),
			"408": said("The body did not arrive", failed),
			"413": said("The body is too large", failed),
			"429": said("No room, for some seconds", failed),
			"503": said("A fault of the server", failed),
		}
		doc.AddOperation(&op)
	}
	list := &huma.Schema{Type: huma.TypeArray, Items: open}
	const beacons = "Beacons have the same path with /beacon for /bulk, or after it, and get 204. All paths are also known with /v1 behind /api, and without /api."
	post("/api/testImpressions/bulk", "split-impressions", "Take impressions from an SDK of Split", beacons, list)
	post("/api/testImpressions/count", "split-counts", "Take counts of impressions that were not sent one by one", "Dropped unless the source has a stream for them. "+beacons, open)
	post("/api/events/bulk", "split-events", "Take events from an SDK of Split", beacons, list)
	post("/api/v1/keys/ss", "split-keys", "Take unique keys from an SDK of Split", "Likewise at /api/v1/keys/cs. Dropped unless the source has a stream for them.", open)

	changes := operation(http.MethodGet, "/api/splitChanges", "split-flags", "intake", "Tell an SDK of Split the flags of its source")
	changes.Description = "Also served: memberships, mySegments and segmentChanges (empty), auth (no streaming), version; telemetry is taken and dropped."
	changes.Security = []map[string][]string{{bearer: {}}, {}}
	for _, name := range []string{"s", "since", "rbSince"} {
		changes.Parameters = append(changes.Parameters, &huma.Param{Name: name, In: "query", Schema: text})
	}
	changes.Responses = map[string]*huma.Response{"200": said("What the SDK lacks", open), "401": said("No or an unknown SDK key", failed)}
	doc.AddOperation(&changes)
}
