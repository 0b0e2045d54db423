package cli

import (
	"strings"
	"testing"
)

const (
	exporterJSON    = `{"name":"s3-demo","id":"0a1b2c3d","stream":"demo","sink":"s3","pathPrefix":"events","interval":"60s","layout":"strm","format":"jsonl","compression":"none","createdAt":"2026-03-01T10:00:00Z","status":{"state":"running","waitingEvents":0,"deliveredEvents":0,"batches":0,"position":[0],"delivered":[0]}}`
	fullSinkJSON    = `{"name":"s3","type":"S3","bucket":"b","prefix":"p","roleArn":"R","externalId":"E","stsEndpoint":"http://s","encryption":"SSE-KMS","kmsKey":"K","credentials":"aws-access-key","principal":"AKIA","createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z"}`
	policiesJSON    = `{"iam":{"Version":"2012-10-17","Statement":[{"Sid":"I","Effect":"Allow","Action":"s3:PutObject","Resource":["r1","r2"]}]},"bucket":{"Version":"2012-10-17","Statement":[{"Sid":"B","Effect":"Allow","Principal":{"AWS":"P"},"Action":"s3:PutObject","Resource":["r"]}]},"notes":[{"for":["bucket"],"text":"put it"}]}`
	sinkJSON        = `{"name":"s3","type":"S3","bucket":"strmprivacy-export-demo","credentials":"aws-access-key","principal":"AKIA","createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z"}`
	failingSinkJSON = `{"name":"s4","type":"S3","bucket":"b","credentials":"ambient","health":{"status":"failing","step":"role","reason":"the role cannot be assumed","at":"2026-03-01T10:00:01Z"},"createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z"}`
	streamJSON      = `{"name":"demo","id":"1","partitions":1,"strmMeta":true,"retention":{"maxAge":"168h0m0s"},"createdAt":"2026-03-01T10:00:00Z"}`
	topicStreamJSON = `{"name":"orders","id":"2","partitions":5,"strmMeta":false,"retention":{},"topic":{"name":"shop.orders","adopted":true,"values":"json","invalid":"block","repeats":"exact across nodes"},"createdAt":"2026-03-01T10:00:00Z"}`
	sourceJSON      = `{"name":"web","stream":"demo","kind":"events","createdAt":"2026-03-01T10:00:00Z"}`
	secretJSON      = "{\n  \"AccessKey\": {\"SecretAccessKey\": \"s3cr3t\"} // the actual date might differ\n}\n"
)

func blocked(state string) string {
	return strings.Replace(exporterJSON, `"state":"running"`, `"state":"`+state+`","reason":"s3:PutObject on b/events/* is denied","nextRetryAt":"2026-03-01T10:01:00Z"`, 1)
}

// TestCommands gives each command its requests and its outputs. FILE stands
// for a credentials file.
func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		line  string
		calls []call
		out   string // a part of standard output; "=" before it means all of it
		err   string // a part of standard error
		code  int
	}{
		// Streams
		{"create stream demo", []call{{on: "POST /v1/streams", body: `{"name":"demo","strmMeta":true}`, status: 201, answer: streamJSON}}, `"name": "demo"`, "", 0},
		{"create stream demo --partitions 4 --strm-meta=false --description D --tags a,b --retention-age 7d --retention-bytes 10GB",
			[]call{{on: "POST /v1/streams", body: `{"name":"demo","partitions":4,"strmMeta":false,"description":"D","tags":["a","b"],"retention":{"maxAge":"168h","maxBytes":10000000000}}`, answer: streamJSON}}, "{", "", 0},
		{"create stream demo --retention-bytes 1MB", []call{{on: "POST /v1/streams", body: `{"name":"demo","strmMeta":true,"retention":{"maxAge":"168h","maxBytes":1000000}}`, answer: streamJSON}}, "{", "", 0},
		{"create stream demo", []call{{on: "POST /v1/streams", body: `{"name":"demo","strmMeta":true}`, status: 409, answer: `{"detail":"stream demo exists already","kind":"conflict"}`}}, "=", "Error: stream demo exists already\n", 1},
		{"create stream orders --topic shop.orders --values registry --invalid drop", []call{{on: "POST /v1/streams", body: `{"name":"orders","topic":"shop.orders","values":"registry","invalid":"drop"}`, status: 201, answer: topicStreamJSON}}, `"adopted": true`, "", 0},
		{"create stream orders --topic shop.orders --strm-meta --partitions 5", []call{{on: "POST /v1/streams", body: `{"name":"orders","topic":"shop.orders","partitions":5,"strmMeta":true}`, status: 201, answer: topicStreamJSON}}, "{", "", 0},
		{"get stream orders -o table", []call{{on: "GET /v1/streams/orders", answer: topicStreamJSON}}, "topic: shop.orders (adopted), values json, invalid ones stop batch exporters\nidempotency keys and event ids: exact across nodes\n", "", 0},
		{"update stream orders --invalid drop", []call{{on: "PATCH /v1/streams/orders", body: `{"invalid":"drop"}`, answer: topicStreamJSON}}, "{", "", 0},
		{"list streams", []call{{on: "GET /v1/streams", answer: `{"streams":[]}`}}, "={}\n", "", 0},
		{"list streams -o table", []call{{on: "GET /v1/streams", answer: `{"streams":[]}`}}, "=No entities of this resource type exist.\n", "", 0},
		{"list stream -o plain", []call{{on: "GET /v1/streams", answer: `{"streams":[` + streamJSON + `]}`}}, "=demo\n", "", 0},
		{"list streams -r -o json-raw", []call{
			{on: "GET /v1/streams", answer: `{"streams":[` + streamJSON + `]}`}, {on: "GET /v1/sources", answer: `{"sources":[` + sourceJSON + `]}`},
			{on: "GET /v1/batch-exporters", answer: `{"batchExporters":[` + exporterJSON + `]}`},
		}, `"batchExporters":[{"ref"`, "", 0},
		{"get stream demo", []call{{on: "GET /v1/streams/demo", answer: streamJSON}}, "{\n  \"streamTree\": {\n    \"stream\": {\n      \"ref\": {\n        \"billingId\": \"demo8542234275\"", "", 0},
		{"get streams a b -o plain", []call{{on: "GET /v1/streams/a", status: 404, answer: `{"detail":"no stream a","kind":"not_found"}`}, {on: "GET /v1/streams/b", answer: streamJSON}}, "=demo\n", "Error: a: no stream a\n", 1},
		{"update stream demo --retention-age 30d", []call{{on: "GET /v1/streams/demo", answer: `{"name":"demo","retention":{"maxAge":"1h","maxBytes":5}}`}, {on: "PATCH /v1/streams/demo", body: `{"retention":{"maxAge":"720h","maxBytes":5}}`, answer: streamJSON}}, "{", "", 0},
		{"update stream demo --strm-meta=false --description=x --tags=a", []call{{on: "PATCH /v1/streams/demo", body: `{"strmMeta":false,"description":"x","tags":["a"]}`, answer: streamJSON}}, "{", "", 0},
		{"update stream demo", nil, "=", "nothing to change", 2},
		{"delete stream demo", []call{{on: "GET /v1/streams/demo", answer: streamJSON}, {on: "DELETE /v1/streams/demo", status: 204}}, "{\n  \"streamTree\": {", "", 0},
		{"delete stream demo -r -o table", []call{
			{on: "GET /v1/streams/demo", answer: streamJSON}, {on: "GET /v1/sources", answer: `{}`}, {on: "GET /v1/batch-exporters", answer: `{}`},
			{on: "DELETE /v1/streams/demo?recursive=true", status: 204},
		}, "=Stream and dependent entities have been deleted\n", "", 0},
		// Sources
		{"update sink s3", nil, "=", "nothing to change", 2},
		{"create source web --kind segment --write-key=", nil, "=", "--write-key is empty", 2},
		{"create source web --stream demo --kind events", []call{{on: "POST /v1/sources", body: `{"name":"web","stream":"demo","kind":"events"}`, answer: strings.Replace(sourceJSON, `"kind"`, `"writeKey":"wk-1","kind"`, 1)}}, `"writeKey": "wk-1"`, "", 0},
		{"create source web", nil, "=", "--stream is needed", 2},
		{"list sources -o plain", []call{{on: "GET /v1/sources", answer: `{"sources":[` + sourceJSON + `]}`}}, "=web\n", "", 0},
		{"get source web", []call{{on: "GET /v1/sources/web", answer: sourceJSON}}, "{\n  \"source\": {", "", 0},
		{"delete source web -r", []call{{on: "DELETE /v1/sources/web", status: 204}}, "={}\n", "", 0},
		// Sinks
		{"create sink s3 strmprivacy-export-demo --credentials-file=FILE", []call{{on: "PUT /v1/sinks/s3", body: `{"bucket":"strmprivacy-export-demo","credentials":` + quote(secretJSON) + `}`, answer: sinkJSON}},
			"={\n  \"ref\": {\n    \"billingId\": \"demo8542234275\",\n    \"name\": \"s3\"\n  },\n  \"sinkType\": \"S3\",\n  \"bucket\": {\n    \"bucketName\": \"strmprivacy-export-demo\"\n  }\n}\n", "", 0},
		{"create sink s3 b --sink-type s3 --endpoint http://e --region r --path-style", []call{{on: "PUT /v1/sinks/s3", body: `{"type":"S3","bucket":"b","endpoint":"http://e","region":"r","pathStyle":true}`, answer: strings.Replace(sinkJSON, `"credentials"`, `"warning":"no conditional writes","credentials"`, 1)}}, "{", "Warning: no conditional writes\n", 0},
		{"create sink s3 b --credentials-file -", []call{{on: "PUT /v1/sinks/s3", body: `{"bucket":"b","credentials":"from stdin"}`, answer: sinkJSON}}, "{", "", 0},
		{"create sink d /srv/x --sink-type dir", []call{{on: "PUT /v1/sinks/d", body: `{"type":"DIR","bucket":"/srv/x"}`, answer: sinkJSON}}, "{", "", 0},
		{"create sink s3 b --credentials-file /does/not/exist", nil, "=", "Error: credentials file: open /does/not/exist: no such file", 2},
		{"list sinks -r", []call{{on: "GET /v1/sinks", answer: `{"sinks":[` + sinkJSON + `]}`}, {on: "GET /v1/batch-exporters", answer: `{"batchExporters":[` + exporterJSON + `]}`}}, `"batchExporters": [`, "", 0},
		{"get sink s3", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}}, "{\n  \"sinkTree\": {\n    \"sink\": {", "", 0},
		{"update sink s3 --region eu-west-1 --credentials-file FILE", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}, {on: "PUT /v1/sinks/s3", body: `{"bucket":"strmprivacy-export-demo","region":"eu-west-1","credentials":` + quote(secretJSON) + `}`, answer: sinkJSON}}, "{", "", 0},
		{"update sink s3 --region eu-west-1", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}, {on: "PUT /v1/sinks/s3", body: `{"type":"S3","bucket":"strmprivacy-export-demo","region":"eu-west-1","keepCredentials":true}`, answer: sinkJSON}}, "{", "", 0},
		{"update sink s3 --ambient", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}, {on: "PUT /v1/sinks/s3", body: `{"type":"S3","bucket":"strmprivacy-export-demo"}`, answer: sinkJSON}}, "{", "", 0},
		{"create sink s3 b/p --role-arn R --external-id E --sts-endpoint http://s --encryption aws:kms --kms-key K", []call{{on: "PUT /v1/sinks/s3",
			body: `{"bucket":"b/p","roleArn":"R","externalId":"E","stsEndpoint":"http://s","encryption":"aws:kms","kmsKey":"K"}`, answer: fullSinkJSON}}, `"prefix": "p"`, "", 0},
		{"get sink s3 -o table", []call{{on: "GET /v1/sinks/s3", answer: fullSinkJSON}}, "b/p      unknown\nrole: R\nexternal id: E\nSTS endpoint: http://s\nencryption: SSE-KMS K\n", "", 0},
		{"get sink s3", []call{{on: "GET /v1/sinks/s3", answer: fullSinkJSON}}, `"kmsKey": "K"`, "", 0},
		{"update sink s3 --external-id F", []call{{on: "GET /v1/sinks/s3", answer: fullSinkJSON}, {on: "PUT /v1/sinks/s3",
			body: `{"type":"S3","bucket":"b/p","roleArn":"R","externalId":"F","stsEndpoint":"http://s","encryption":"SSE-KMS","kmsKey":"K","keepCredentials":true}`, answer: fullSinkJSON}}, "{", "", 0},
		{"update sink s3 --role-arn= --encryption none", []call{{on: "GET /v1/sinks/s3", answer: fullSinkJSON}, {on: "PUT /v1/sinks/s3",
			body: `{"type":"S3","bucket":"b/p","encryption":"none","keepCredentials":true}`, answer: fullSinkJSON}}, "{", "", 0},
		{"update sink s3 c --kms-key L", []call{{on: "GET /v1/sinks/s3", answer: fullSinkJSON}, {on: "PUT /v1/sinks/s3",
			body: `{"type":"S3","bucket":"c","roleArn":"R","externalId":"E","stsEndpoint":"http://s","encryption":"SSE-KMS","kmsKey":"L","keepCredentials":true}`, answer: fullSinkJSON}}, "{", "", 0},
		{"create sink s3 b", []call{{on: "PUT /v1/sinks/s3", body: `{"bucket":"b"}`, answer: failingSinkJSON}}, "{", "Warning: the sink is stored, but cannot be written to. Step role: the role cannot be assumed\n", 0},
		{"get sink s3", []call{{on: "GET /v1/sinks/s3", answer: failingSinkJSON}}, "\"health\": {\n        \"status\": \"failing\",\n        \"step\": \"role\",\n        \"reason\": \"the role cannot be assumed\",", "", 0},
		{"get sink s3 -o table", []call{{on: "GET /v1/sinks/s3", answer: failingSinkJSON}}, "failing: role, 2026-03-01T10:00:01Z: the role cannot be assumed\n", "", 0},
		{"list sinks -o table", []call{{on: "GET /v1/sinks", answer: `{"sinks":[` + sinkJSON + `,` + failingSinkJSON + `]}`}}, "=Sink   Type   Bucket                    Health\ns3     S3     strmprivacy-export-demo   unknown\ns4     S3     b                         failing\n", "", 0},
		{"test sink s3", []call{{on: "POST /v1/sinks/s3/test", body: `{}`, answer: `{"sink":"s3","ok":true,"health":{"status":"ok","at":"2026-03-01T10:00:00Z"},"bucket":"b","region":"r","conditionalWrites":"yes"}`}}, "{\n  \"sinkTest\": {\n    \"sink\": \"s3\",\n    \"ok\": true,", "", 0},
		{"test sink s3 --path-prefix a/b -o table", []call{{on: "POST /v1/sinks/s3/test", body: `{"pathPrefix":"a/b"}`, answer: `{"sink":"s3","ok":false,"health":{"status":"failing","step":"put","reason":"no s3:PutObject","at":"2026-03-01T10:00:00Z"},"bucket":"b"}`}},
			"failing: put\n", "Error: sink s3 cannot be written to. Step put: no s3:PutObject\n", 1},
		{"test sink nope", []call{{on: "POST /v1/sinks/nope/test", body: `{}`, status: 404, answer: `{"detail":"no sink nope","kind":"not_found"}`}}, "=", "Error: no sink nope\n", 1},
		{"test sink", nil, "=", "needs at least one NAME", 2},
		{"policy s3 --kind iam", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Sid\": \"I\",", "", 0},
		{"policy s3 --kind bucket --principal P --kms-key K --enforce-encryption", []call{{on: "GET /v1/sinks/s3/policy?enforceEncryption=true&kmsKey=K&principal=P", answer: policiesJSON}}, `"AWS": "P"`, "Note: put it\n", 0},
		{"policy s3", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "{\n  \"iam\": {\n    \"Version\"", "Note: put it\n", 0},
		{"policy s3 -o table", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "iam      I           Allow    s3:PutObject   r1 r2\nbucket   B", "Note: put it\n", 0},
		{"policy s3 --kind trust", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "=", "assumes no role", 2},
		{"policy s3 --kind kms", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "=", "--kms-key", 2},
		{"policy s3 --kind x", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "=", "use one of iam, bucket", 2},
		{"policy s3-demo --kind iam", []call{{on: "GET /v1/sinks/s3-demo/policy", status: 404, answer: `{"detail":"no","kind":"not_found"}`}, {on: "GET /v1/batch-exporters/s3-demo", answer: exporterJSON},
			{on: "GET /v1/sinks/s3/policy?exporter=demo%2Fs3-demo", answer: policiesJSON}}, `"Sid": "I"`, "", 0},
		{"policy demo/s3-demo --kind iam", []call{{on: "GET /v1/batch-exporters/s3-demo?stream=demo", answer: exporterJSON}, {on: "GET /v1/sinks/s3/policy?exporter=demo%2Fs3-demo", answer: policiesJSON}}, `"Sid": "I"`, "", 0},
		{"policy nope", []call{{on: "GET /v1/sinks/nope/policy", status: 404, answer: `{"detail":"no","kind":"not_found"}`}, {on: "GET /v1/batch-exporters/nope", status: 404, answer: `{"detail":"no","kind":"not_found"}`},
			{on: "GET /v1/batch-importers/nope", status: 404, answer: `{"detail":"no","kind":"not_found"}`}}, "=", "no sink, no batch exporter and no batch importer nope", 1},
		{"delete sink s3", []call{{on: "DELETE /v1/sinks/s3", status: 204}}, "={}\n", "", 0},
		{"delete sink s3 --recursive", []call{{on: "DELETE /v1/sinks/s3?recursive=true", status: 204}}, "={}\n", "", 0},
		{"delete sink s3", []call{{on: "DELETE /v1/sinks/s3", status: 409, answer: `{"detail":"Cannot delete sink","kind":"conflict"}`}}, "=", "Error: Cannot delete sink (--recursive deletes them too)\n", 1},
		{"delete sinks a b -o plain", []call{{on: "DELETE /v1/sinks/a", status: 204}, {on: "DELETE /v1/sinks/b", status: 204}}, "=Sink has been deleted\nSink has been deleted\n", "", 0},
		// Batch exporters
		{"create batch-exporter demo --sink s3 --path-prefix events", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","sink":"s3","pathPrefix":"events"}`, status: 201, answer: exporterJSON}}, "\"interval\": \"60s\",\n  \"sinkName\": \"s3\",\n  \"pathPrefix\": \"events\",", "", 0},
		{"create batch-exporter demo --sink s3 --name n --interval 1m --layout L --format F --compression gzip --max-bytes 100MB --max-events 5 --from 2026-01-31",
			[]call{{on: "POST /v1/batch-exporters", body: `{"name":"n","stream":"demo","sink":"s3","interval":"60s","layout":"L","format":"F","compression":"gzip","maxBytes":100000000,"maxEvents":5,"from":"2026-01-31T00:00:00Z"}`, answer: exporterJSON}}, "{", "", 0},
		{"create batch-exporter demo --include-existing-events --interval 90", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","interval":"90s","includeExistingEvents":true}`, answer: exporterJSON}}, "{", "", 0},
		{"create batch-exporter demo --layout segment --interval 2h --interval-offset 40m --max-packed-bytes 0", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","layout":"segment","interval":"7200s","intervalOffset":"2400s","maxPackedBytes":0}`, answer: exporterJSON}}, "{", "", 0},
		{"create batch-exporter demo --layout tarsal --stream-prefix old_", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","layout":"tarsal","streamPrefix":"old_"}`, answer: exporterJSON}}, "{", "", 0},
		{"update batch-exporter s3-demo --stream-prefix=", []call{{on: "PATCH /v1/batch-exporters/s3-demo", body: `{"streamPrefix":""}`, answer: exporterJSON}}, "{", "", 0},
		{"update batch-exporter s3-demo --interval-offset 0 --max-packed-bytes 100MB", []call{{on: "PATCH /v1/batch-exporters/s3-demo", body: `{"intervalOffset":"0s","maxPackedBytes":100000000}`, answer: exporterJSON}}, "{", "", 0},
		{"update batch-exporter s3-demo --interval-offset x", nil, "=", `Error: "x" is not an offset`, 2},
		{"create source web --kind segment --dedup-window 7d", []call{{on: "POST /v1/sources", body: `{"name":"web","kind":"segment","dedupWindow":"168h"}`, answer: `{"name":"web","stream":"web","kind":"segment","sourceId":"i","newStream":true}`}}, `"sourceId": "i"`, "Stream web was made for the source.\n", 0},
		{"update source web --dedup-window 0", []call{{on: "PATCH /v1/sources/web", body: `{"dedupWindow":"0"}`, answer: `{"name":"web"}`}}, "{", "", 0},
		{"update source web --write-key abcdefgh", []call{{on: "PATCH /v1/sources/web", body: `{"writeKey":"abcdefgh"}`, answer: `{"name":"web"}`}}, "{", "", 0},
		{"update source web --rotate-write-key --write-key abcdefgh", nil, "=", "none of the others can be", 2},
		{"create source prod --kind split --environment e1 --traffic-type user=t1 --traffic-type account=t2 --flag checkout=user --counts-stream c --write-key sdk-key-1",
			[]call{{on: "POST /v1/sources", body: `{"name":"prod","kind":"split","writeKey":"sdk-key-1","split":{"environment":"e1","countsStream":"c","trafficTypes":{"account":"t2","user":"t1"},"flags":{"checkout":"user"}}}`,
				answer: `{"name":"prod","stream":"prod","kind":"split","newStream":true,"newStreams":["prod","prod-events"],"split":{"environment":"e1","eventsStream":"prod-events"}}`}}, `"eventsStream": "prod-events"`, "Made for the source: stream prod, stream prod-events.\n", 0},
		{"create source prod --kind split", nil, "=", "--environment is needed", 2},
		{"create source prod --kind split --environment e1 --flag checkout", nil, "=", "use the form FLAG=TRAFFIC-TYPE", 2},
		{"create source prod --kind split --environment e1 --flags /does/not/exist", nil, "=", "flags file: open /does/not/exist: no such file", 2},
		{"create source prod --kind split --environment e1 --flags - --catalogue -", nil, "=", "cannot both come from standard input", 2},
		{"create source prod --kind split --environment e1 --flags -", nil, "=", "is not JSON", 2},
		{"update source prod --flag a=user --flag b= --replace-catalogue", []call{{on: "PATCH /v1/sources/prod", body: `{"split":{"flags":{"a":"user","b":""},"replaceCatalogue":true}}`, answer: `{"name":"prod"}`}}, "{", "", 0},
		{"update source prod --no-flags --counts-stream=", []call{{on: "PATCH /v1/sources/prod", body: `{"split":{"countsStream":"","serve":[]}}`, answer: `{"name":"prod"}`}}, "{", "", 0},
		{"update source prod --no-flags --flags f", nil, "=", "none of the others can be", 2},
		{"download s3-demo", nil, "=", "Give --day, --since and --until, or --all", 2},
		{"download s3-demo --all --day 2026-11-20", nil, "=", "none of the others can be", 2},
		{"download s3-demo --all --jobs 0", nil, "=", "use 1 to 256", 2},
		{"download s3-demo --since 2026-11-21 --until 2026-11-20", nil, "=", "is not before", 2},
		{"create batch-exporter demo --include-existing-events --from 2026-01-31", nil, "=", "none of the others can be", 2},
		{"create batch-exporter demo --sink s3", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","sink":"s3"}`, status: 201, answer: blocked("blocked")}}, `"state": "blocked"`,
			"Error: batch exporter s3-demo was created but cannot deliver yet: s3:PutObject on b/events/* is denied. Mend the sink, the bucket or its permissions: it tries again by itself, next at 2026-03-01T10:01:00Z", 1},
		{"create batch-exporter demo --sink s3", []call{{on: "POST /v1/batch-exporters", body: `{"stream":"demo","sink":"s3"}`, status: 201, answer: blocked("retrying")}}, `"state": "retrying"`, "cannot deliver yet", 1},
		{"create batch-exporter demo --interval x", nil, "=", `Error: "x" is not an interval: write 60, 60s or 1m`, 2},
		{"list batch-exporters", []call{{on: "GET /v1/batch-exporters", answer: `{"batchExporters":[]}`}}, "={}\n", "", 0},
		{"list batch-exporters --stream demo -o plain", []call{{on: "GET /v1/batch-exporters?stream=demo", answer: `{"batchExporters":[` + exporterJSON + `]}`}}, "=s3-demo\n", "", 0},
		{"get batch-exporter demo/s3-demo", []call{{on: "GET /v1/batch-exporters/s3-demo?stream=demo", answer: exporterJSON}}, "{\n  \"batchExporter\": {", "", 0},
		{"update batch-exporter s3-demo --interval 5m --max-bytes 0 --path-prefix=", []call{{on: "PATCH /v1/batch-exporters/s3-demo", body: `{"interval":"300s","maxBytes":0,"pathPrefix":""}`, answer: exporterJSON}}, "{", "", 0},
		{"delete batch-exporter s3-strmprivacy", []call{{on: "DELETE /v1/batch-exporters/s3-strmprivacy", status: 204}}, "={}\n", "", 0},
		{"delete batch-exporter e -o table", []call{{on: "DELETE /v1/batch-exporters/e", status: 204}}, "=Batch Exporter has been deleted\n", "", 0},
		{"pause batch-exporter s3-demo -o plain", []call{{on: "POST /v1/batch-exporters/s3-demo/pause", answer: exporterJSON}}, "=s3-demo\n", "", 0},
		{"pause s3-demo -o plain", []call{{on: "POST /v1/batch-exporters/s3-demo/pause", answer: exporterJSON}}, "=s3-demo\n", "", 0},
		{"resume demo/s3-demo -o plain", []call{{on: "POST /v1/batch-exporters/s3-demo/resume?stream=demo", answer: exporterJSON}}, "=s3-demo\n", "", 0},
		// Batches
		{"list batches s3-demo -o json --limit 2 --state done --before 9", []call{{on: "GET /v1/batch-exporters/s3-demo/batches?before=9&limit=2&state=done", answer: `{"batches":[],"next":0}`}}, "={\n  \"batches\": []\n}\n", "", 0},
		{"get batch x-000001 -o plain", []call{{on: "GET /v1/batches/x-000001", answer: `{"id":"x-000001"}`}}, "=x-000001\n", "", 0},
		// Flush, replay, verify
		{"flush s3-demo", []call{{on: "POST /v1/batch-exporters/s3-demo/flush", answer: `{"done":false,"token":"t","status":{"state":"running"}}`}}, `"done": false`, "", 0},
		{"flush s3-demo --wait -o plain", []call{
			{on: "POST /v1/batch-exporters/s3-demo/flush?wait=30s", answer: `{"done":false,"token":"t","status":{"state":"running"}}`},
			{on: "POST /v1/batch-exporters/s3-demo/flush?until=t&wait=30s", answer: `{"done":true,"token":"t","status":{"state":"running"}}`},
		}, "=s3-demo: everything is delivered\n", "", 0},
		{"flush s3-demo --wait", []call{{on: "POST /v1/batch-exporters/s3-demo/flush?wait=30s", answer: `{"done":false,"token":"t","status":{"state":"blocked","reason":"denied"}}`}}, `"done": false`, "Error: batch exporter s3-demo is blocked: denied", 1},
		{"flush s3-demo --wait", []call{{on: "POST /v1/batch-exporters/s3-demo/flush?wait=30s", answer: `{"done":false,"token":"t","status":{"state":"paused"}}`}}, `"done": false`, "`strm resume s3-demo`", 1},
		{"replay s3-demo --into again --from 2026-01-01 --to 2026-01-02", []call{{on: "POST /v1/batch-exporters/s3-demo/replay", body: `{"into":"again","from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}`, answer: `{"replay":"r","events":3,"batches":["b1"]}`}}, `"replay": "r"`, "", 0},
		{"replay s3-demo --into again --wait -o plain", []call{
			{on: "POST /v1/batch-exporters/s3-demo/replay", body: `{"into":"again"}`, answer: `{"replay":"r","events":3,"batches":["b1"]}`},
			{on: "GET /v1/batch-exporters/s3-demo/batches?limit=1&replay=r&state=planned", answer: `{"batches":[{"id":"b1","state":"planned"}]}`},
			{on: "GET /v1/batch-exporters/s3-demo/batches?limit=1&replay=r&state=planned", answer: `{"batches":[]}`},
			{on: "GET /v1/batch-exporters/s3-demo/batches?limit=1&replay=r&state=attempted", answer: `{"batches":[]}`},
			{on: "GET /v1/batch-exporters/s3-demo/batches?limit=1&replay=r&state=abandoned", answer: `{"batches":[]}`},
		}, "=s3-demo: replay r of 3 events into again in 1 batch\n", "", 0},
		{"replay s3-demo", nil, "=", "--into is needed", 2},
		{"cancel replay s3-demo r1", []call{{on: "DELETE /v1/batch-exporters/s3-demo/replays/r1", answer: `{"abandoned":2}`}}, `"abandoned": 2`, "", 0},
		{"cancel replay demo/s3-demo r1 -o plain", []call{{on: "DELETE /v1/batch-exporters/s3-demo/replays/r1?stream=demo", answer: `{"abandoned":1}`}}, "=demo/s3-demo: replay r1 is given up, 1 batch abandoned\n", "", 0},
		{"cancel replay s3-demo r1 -o plain", []call{{on: "DELETE /v1/batch-exporters/s3-demo/replays/r1", answer: `{"abandoned":0}`}}, "=s3-demo: nothing was left to do of replay r1\n", "", 0},
		{"cancel replay s3-demo", nil, "=", "an EXPORTER and a REPLAY-ID", 2},
		{"__complete cancel replay s3-demo rep", []call{
			{on: "GET /v1/batch-exporters/s3-demo/batches?state=planned", answer: `{"batches":[{"id":"b4","replay":"replay-1"},{"id":"b3","replay":"replay-1"},{"id":"b2"}]}`},
			{on: "GET /v1/batch-exporters/s3-demo/batches?state=attempted", answer: `{"batches":[{"id":"b1","replay":"replay-2"}]}`},
		}, "=replay-1\nreplay-2\n:4\n", "Completion ended", 0},
		{"verify batch-exporter s3-demo", []call{{on: "POST /v1/batch-exporters/s3-demo/verify", answer: `{"ok":true,"exporter":"s3-demo","batches":1}`}}, `"ok": true`, "", 0},
		{"verify batch-exporter s3-demo", []call{{on: "POST /v1/batch-exporters/s3-demo/verify", answer: `{"ok":false,"exporter":"s3-demo","differences":[{"batch":"b1","key":"k","what":"is not in the bucket"}]}`}}, `"ok": false`,
			"Error: batch exporter s3-demo is not as it should be, differences found: 1\n  batch b1: k: is not in the bucket\n", 1},
		// Events
		{"tail demo --from earliest -n 2 --no-follow", []call{{on: "GET /v1/streams/demo/events?follow=false&from=earliest&limit=2", answer: "{\"a\":1}\n{\"a\":2}\n"}}, "={\"a\":1}\n{\"a\":2}\n", "", 0},
		{"tail demo --partition 1 --envelope -n 1", []call{{on: "GET /v1/streams/demo/events?envelope=true&follow=true&limit=1&partition=1", answer: "{}\n"}}, "={}\n", "", 0},
		{"tail demo --from never", nil, "=", "write earliest, latest or a time", 2},
		{"simulate demo --rate 0", nil, "=", "--rate must be above 0", 2},
		// Generation 1
		{"sinks create s3 s3-export -bn b -cf FILE", []call{{on: "PUT /v1/sinks/s3-export", body: `{"type":"S3","bucket":"b","credentials":` + quote(secretJSON) + `}`, answer: strings.Replace(sinkJSON, `"name":"s3"`, `"name":"s3-export"`, 1)}},
			"={\n  \"sinkType\": \"S3\",\n  \"sinkName\": \"s3-export\",\n  \"bucketName\": \"strmprivacy-export-demo\"\n}\n", "", 0},
		{"sinks create s3 x -bn b -c {}", []call{{on: "PUT /v1/sinks/x", body: `{"type":"S3","bucket":"b","credentials":"{}"}`, answer: sinkJSON}}, "{", "", 0},
		{"sinks create s3 x -bn b -c {} -cf FILE", nil, "=", "none of the others can be", 2},
		{"sinks create s3 x", nil, "=", "--bucket-name (-bn) is needed", 2},
		{"sinks create azure x -bn b", nil, "=", "use s3 or gcloud", 2},
		{"sinks list", []call{{on: "GET /v1/sinks", answer: `{"sinks":[` + sinkJSON + `]}`}}, `"sinkName": "s3"`, "", 0},
		{"sinks list -n s3 -st s3", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}}, "{\n  \"sinkType\": \"S3\",", "", 0},
		{"sinks list -n s3", nil, "=", "sink-type", 2},
		{"sinks delete s3 s3", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}, {on: "DELETE /v1/sinks/s3", status: 204}}, "=Request has been succesfully processed.\n", "", 0},
		{"sinks delete s3 gcloud", []call{{on: "GET /v1/sinks/s3", answer: sinkJSON}}, "=", "there is no sink s3 of type gcloud", 1},
		{"exporters create --exporter-name s3-demo --sink-name s3 --sink-type s3 --interval 60 --path-prefix events demo", []call{
			{on: "GET /v1/sinks/s3", answer: sinkJSON},
			{on: "PUT /v1/batch-exporters/s3-demo?stream=demo", body: `{"name":"s3-demo","stream":"demo","sink":"s3","pathPrefix":"events","interval":"60s"}`, answer: exporterJSON},
		}, "={\n  \"name\": \"s3-demo\",\n  \"linkedStream\": \"demo\",\n  \"sinkName\": \"s3\",\n  \"sinkType\": \"S3\",\n  \"intervalSecs\": 60,\n  \"type\": \"BATCH\",\n  \"pathPrefix\": \"events\"\n}\n", "", 0},
		{"exporters create demo -en e -sn s -st s3", nil, "=", "--interval (-i) is needed", 2},
		{"exporters list", []call{{on: "GET /v1/batch-exporters", answer: `{"batchExporters":[` + exporterJSON + `]}`}, {on: "GET /v1/sinks", answer: `{"sinks":[` + sinkJSON + `]}`}}, `"sinkType": "S3"`, "", 0},
		{"exporters get demo -en s3-demo", []call{{on: "GET /v1/batch-exporters/s3-demo?stream=demo", answer: exporterJSON}, {on: "GET /v1/sinks/s3", answer: sinkJSON}}, `"linkedStream": "demo"`, "", 0},
		{"exporters delete demo --exporter-name s3-demo", []call{{on: "DELETE /v1/batch-exporters/s3-demo?stream=demo", status: 204}}, "=Request has been succesfully processed.\n", "", 0},
		{"streams create demo -d D -t a -t b", []call{{on: "POST /v1/streams", body: `{"name":"demo","description":"D","tags":["a","b"]}`, answer: streamJSON}}, "={\n  \"name\": \"demo\"\n}\n", "", 0},
		{"streams list -n demo", []call{{on: "GET /v1/streams/demo", answer: streamJSON}}, "={\n  \"name\": \"demo\"\n}\n", "", 0},
		{"streams delete x", []call{{on: "DELETE /v1/streams/x", status: 204}}, "=Stream 'x' has been deleted.\n", "", 0},
		// Usage
		{"list streams -o xml", nil, "=", "Error: Output format 'xml' is not supported. Allowed values: table, json, json-raw, plain\n", 2},
		{"create sinkk x", nil, "=", "Did you mean sink?", 2},
		{"get sink ..", nil, "=", `".." is not a name`, 2},
		{"flush", nil, "=", "strm flush needs one EXPORTER", 2},
		{"flush a b", nil, "=", `"b" is too much`, 2},
		{"list sinks --nonsense", nil, "=", "unknown flag: --nonsense", 2},
		{"version", nil, "=strm 1.0.0 (server 1.0.0, installation demo8542234275)\n", "", 0},
	} {
		t.Run(tt.line, func(t *testing.T) {
			f := newFake(t, tt.calls...)
			f.stdin = "from stdin"
			got := f.run(strings.ReplaceAll(tt.line, "FILE", f.file("s3.json", secretJSON)))
			if got.code != tt.code {
				t.Errorf("exit code %d, want %d", got.code, tt.code)
			}
			if want, all := strings.CutPrefix(tt.out, "="); all && got.out != want {
				t.Errorf("printed %s\nwant %s", got.out, want)
			} else if !all && !strings.Contains(got.out, want) {
				t.Errorf("printed %s\nwant it to hold %s", got.out, want)
			}
			if !strings.Contains(got.err, tt.err) || tt.err == "" && got.err != "" {
				t.Errorf("said %q, want %q", got.err, tt.err)
			}
			if strings.Contains(got.out+got.err, "s3cr3t") {
				t.Error("a secret was shown")
			}
		})
	}
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
