package cli

import (
	"strings"
	"testing"
)

const (
	importerJSON = `{"name":"fme","id":"0a1b2c3d","stream":"fme","sink":"s3","environments":["e1"],"prefix":"events/","suffixes":[".parquet"],"statusFolder":"st","listEvery":"900s","reportEvery":"300s","createdAt":"2026-03-01T10:00:00Z","updatedAt":"2026-03-01T10:00:00Z","status":{"state":"running","files":2,"waitingFiles":1,"unreportedFiles":0,"rows":10,"acceptedRows":9}}`
	importJSON   = `{"id":42,"importer":"fme","key":"events/a.parquet","bytes":2048,"createdAt":"2026-03-01T10:00:00Z","via":"sns","state":"done","rows":10,"acceptedRows":9,"attempts":1,"noticedAt":"2026-03-01T10:00:01Z",` +
		`"statusEntries":[{"originalCreationTime":1,"entryId":1,"valid":true,"numberOfRows":9,"errors":[],"errorsDetails":[],"warnings":[]}]}`
	noSuch = `{"detail":"no","kind":"not_found"}`
)

// withTopic is the importer with a topic and this notification endpoint.
func withTopic(endpoint string) string {
	return strings.Replace(importerJSON, `"listEvery"`, `"topicArn":"T","notificationEndpoint":"`+endpoint+`","listEvery"`, 1)
}

func TestImporterCommands(t *testing.T) {
	const sinkBody = `{"type":"S3","bucket":"my-bucket/st","region":"eu-west-1","roleArn":"R"}`
	const body = `{"name":"fme","sink":"fme","environments":["e1"],"statusFolder":"st/"}`
	const small = `{"name":"fme","environments":["e1"],"statusFolder":"st"}`
	const line = "create batch-importer fme --bucket my-bucket --region eu-west-1 --role-arn R --environment e1 --status-folder st/"
	for _, tt := range []struct {
		line  string
		calls []call
		out   string // a part of standard output; "=" before it means all of it
		err   string // a part of standard error
		code  int
	}{
		{"create batch-importer fme --sink s3 --environment e1,e2 --environment e3 --prefix events/ --suffix .parquet --status-folder st --topic-arn T --queue-url Q --list-every 1h --report-every 60 --stream demo --include-existing-files",
			[]call{{on: "POST /v1/batch-importers", status: 201, answer: withTopic("https://strm.example.org/notices/x"),
				body: `{"name":"fme","stream":"demo","sink":"s3","environments":["e1","e2","e3"],"prefix":"events/","suffixes":[".parquet"],"statusFolder":"st","topicArn":"T","queueUrl":"Q","listEvery":"3600s","reportEvery":"60s","includeExistingFiles":true}`}},
			"{\n  \"ref\": {\n    \"billingId\": \"demo8542234275\",\n    \"name\": \"fme\"\n  },\n  \"streamRef\"",
			"Notification endpoint: https://strm.example.org/notices/x\nIn AWS: let the bucket publish to the topic (strm policy fme --kind topic)", 0},
		{"create batch-importer fme --environment e1 --status-folder st --topic-arn T", []call{{on: "POST /v1/batch-importers", answer: withTopic("/notices/x"),
			body: `{"name":"fme","environments":["e1"],"statusFolder":"st","topicArn":"T"}`}}, "{", "no public https URL, and SNS sends to no other. Make it reachable from the internet by https and start it with --public-url https://HOST; the notification endpoint is then https://HOST/notices/x.", 0},
		{"create batch-importer fme --environment e1 --status-folder st -o plain", []call{{on: "POST /v1/batch-importers", body: small, answer: strings.Replace(importerJSON, `"status"`, `"newStream":true,"status"`, 1)}},
			"=fme\n", "Stream fme was made for the batch importer.\nIn AWS: allow the bucket to be read, and the status folder to be written (strm policy fme --kind bucket, or --kind iam).\nThe bucket is listed every 900s;", 0},
		{"create batch-importer fme --environment e1 --status-folder st", []call{{on: "POST /v1/batch-importers", body: small, answer: strings.Replace(importerJSON, `"listEvery"`, `"queueUrl":"Q","listEvery"`, 1)}}, "{", "strm policy fme --kind queue", 0},
		// The bucket's sink comes first; if the importer is refused, it goes again.
		{line, []call{{on: "GET /v1/sinks/fme", status: 404, answer: noSuch}, {on: "PUT /v1/sinks/fme", body: sinkBody, answer: failingSinkJSON}, {on: "POST /v1/batch-importers", body: body, answer: importerJSON}},
			"{", "Warning: the sink is stored, but cannot be written to. Step role: the role cannot be assumed\nSink fme was made for the bucket.\n", 0},
		{line, []call{{on: "GET /v1/sinks/fme", status: 404, answer: noSuch}, {on: "PUT /v1/sinks/fme", body: sinkBody, answer: sinkJSON}, {on: "POST /v1/batch-importers", body: body, status: 400, answer: `{"detail":"topic?","kind":"invalid"}`},
			{on: "DELETE /v1/sinks/fme", status: 204}}, "=", "Error: topic?\n", 2},
		{line, []call{{on: "GET /v1/sinks/fme", answer: `{"name":"fme","bucket":"my-bucket","prefix":"st"}`}, {on: "PUT /v1/sinks/fme", body: sinkBody, answer: sinkJSON}, {on: "POST /v1/batch-importers", body: body, status: 409, answer: `{"detail":"exists","kind":"conflict"}`}},
			"=", "Error: exists\n", 1},
		{line, []call{{on: "GET /v1/sinks/fme", answer: `{"name":"fme","bucket":"other"}`}}, "=", "there is a sink fme for another place, other: name a sink with --sink", 2},
		{"create batch-importer fme --bucket b/p --environment e1 --status-folder st", nil, "=", "the bucket's name alone", 2},
		{"create batch-importer fme --bucket= --environment e1 --status-folder st", nil, "=", "--bucket is empty", 2},
		{"create batch-importer fme --sink s3 --bucket b --environment e1 --status-folder st", nil, "=", "none of the others can be", 2},
		{"create batch-importer fme --sink s3 --role R --environment e1 --status-folder st", nil, "=", "--role belongs to --bucket", 2},
		{"create batch-importer fme --status-folder st", nil, "=", "--environment is needed", 2},
		{"create batch-importer fme --environment e1 --status-folder /", nil, "=", "--status-folder is needed", 2},
		{"create batch-importer fme --environment e1 --status-folder st --list-every x", nil, "=", "not an interval", 2},
		{"list batch-importers", []call{{on: "GET /v1/batch-importers", answer: `{"batchImporters":[]}`}}, "={}\n", "", 0},
		{"list batch-importers --stream fme -o plain", []call{{on: "GET /v1/batch-importers?stream=fme", answer: `{"batchImporters":[` + importerJSON + `]}`}}, "=fme\n", "", 0},
		{"get batch-importer fme", []call{{on: "GET /v1/batch-importers/fme", answer: importerJSON}}, "{\n  \"batchImporter\": {", "", 0},
		{"update batch-importer fme --environment e2 --suffix .parquet.gz --topic-arn= --list-every 5m --status-folder s", []call{{on: "PATCH /v1/batch-importers/fme",
			body: `{"environments":["e2"],"suffixes":[".parquet.gz"],"topicArn":"","listEvery":"300s","statusFolder":"s"}`, answer: importerJSON}}, "{", "", 0},
		{"update batch-importer fme --topic-arn T", []call{{on: "PATCH /v1/batch-importers/fme", body: `{"topicArn":"T"}`, answer: withTopic("https://h/notices/x")}}, "{", "Notification endpoint: https://h/notices/x\n", 0},
		{"update batch-importer fme", nil, "=", "nothing to change", 2},
		{"update batch-importer fme --environment=", nil, "=", "--environment is empty", 2},
		{"update batch-importer fme --report-every x", nil, "=", "not an interval", 2},
		{"delete batch-importer fme -o plain", []call{{on: "DELETE /v1/batch-importers/fme", status: 204}}, "=Batch Importer has been deleted\n", "", 0},
		{"pause batch-importer fme -o plain", []call{{on: "POST /v1/batch-importers/fme/pause", answer: importerJSON}}, "=fme\n", "", 0},
		{"resume batch-importers fme -o plain", []call{{on: "POST /v1/batch-importers/fme/resume", answer: importerJSON}}, "=fme\n", "", 0},
		{"list imports", []call{{on: "GET /v1/imports", answer: `{"imports":[]}`}}, "={\n  \"imports\": []\n}\n", "", 0},
		{"list imports fme --state done --prefix events/ --limit 2 --before 9 -o plain", []call{{on: "GET /v1/imports?before=9&importer=fme&limit=2&prefix=events%2F&state=done", answer: `{"imports":[` + importJSON + `],"next":42}`}}, "=42\n", "", 0},
		{"list imports --limit -1", nil, "=", "must not be negative", 2},
		{"get import 42", []call{{on: "GET /v1/imports/42", answer: importJSON}}, `"entryId": 1`, "", 0},
		{"get import 42 -o table", []call{{on: "GET /v1/imports/42", answer: importJSON}}, "entry 1: 9 rows accepted\n", "", 0},
		{"get import x", nil, "=", "is not the id of an import", 2},
		{"policy fme --kind topic", []call{{on: "GET /v1/sinks/fme/policy", status: 404, answer: noSuch}, {on: "GET /v1/batch-exporters/fme", status: 404, answer: noSuch}, {on: "GET /v1/batch-importers/fme", answer: importerJSON},
			{on: "GET /v1/sinks/s3/policy?importer=fme", answer: `{"topic":{"Version":"2012-10-17","Statement":[{"Sid":"N","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"SNS:Publish","Resource":["T"]}]}}`}}, `"Service": "s3.amazonaws.com"`, "", 0},
		{"policy s3 --kind queue", []call{{on: "GET /v1/sinks/s3/policy", answer: policiesJSON}}, "=", "no batch importer here has a queue", 2},
		{"__complete get batch-importer f", []call{{on: "GET /v1/batch-importers", answer: `{"batchImporters":[` + importerJSON + `]}`}}, "=fme\n:4\n", "Completion ended", 0},
	} {
		t.Run(tt.line, func(t *testing.T) {
			f := newFake(t, tt.calls...)
			got := f.run(tt.line)
			want, all := strings.CutPrefix(tt.out, "=")
			if all && got.out != want || !strings.Contains(got.out, want) {
				t.Errorf("standard output:\n%s\nwant %q", got.out, tt.out)
			}
			if !strings.Contains(got.err, tt.err) || tt.err == "" && got.err != "" {
				t.Errorf("standard error:\n%s\nwant %q", got.err, tt.err)
			}
			if got.code != tt.code {
				t.Errorf("exit code %d, want %d: %s", got.code, tt.code, got.err)
			}
		})
	}
}
