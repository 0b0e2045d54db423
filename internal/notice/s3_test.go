package notice_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"strm/internal/notice"
	"strm/internal/problem"
)

// whole is a message as S3 sends it.
const whole = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-11-20T08:00:00.123Z","eventName":"ObjectCreated:Put",
 "userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"192.0.2.1"},
 "s3":{"s3SchemaVersion":"1.0","configurationId":"fme-events","bucket":{"name":"in-bucket","ownerIdentity":{"principalId":"A3"},"arn":"arn:aws:s3:::in-bucket"},
  "object":{"key":"events/red+flower%2B1.snappy.parquet","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5"}}}]}`

func TestParse(t *testing.T) {
	n, err := notice.Parse([]byte(whole))
	want := notice.Notice{Files: []notice.File{{
		Bucket: "in-bucket", Key: "events/red flower+1.snappy.parquet", VersionID: "096fKKXTRTtl3on89fVO.nfljtsv6qko",
		ETag: "d41d8cd98f00b204e9800998ecf8427e", Size: 1024, At: time.Date(2026, 11, 20, 8, 0, 0, 123e6, time.UTC),
	}}}
	if err != nil || !reflect.DeepEqual(n, want) {
		t.Errorf("%+v, %v", n, err)
	}
}

// rec is a record whose parts the cases below change.
func rec(change func(r, object map[string]any)) map[string]any {
	object := map[string]any{"key": "k.parquet", "size": 5, "eTag": "e1"}
	r := map[string]any{
		"eventVersion": "2.1", "eventTime": "2026-11-20T08:00:00Z", "eventName": "ObjectCreated:Put",
		"s3": map[string]any{"bucket": map[string]any{"name": "b"}, "object": object},
	}
	if change != nil {
		change(r, object)
	}
	return r
}

func message(t *testing.T, records ...map[string]any) []byte {
	t.Helper()
	if records == nil {
		records = []map[string]any{}
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKeysAreDecodedOnce(t *testing.T) {
	for encoded, want := range map[string]string{
		"a+b.parquet":           "a b.parquet",
		"a%2Bb.parquet":         "a+b.parquet",
		"%C3%BC.parquet":        "ü.parquet",
		"100%25.parquet":        "100%.parquet",
		"a%252Bb.parquet":       "a%2Bb.parquet",
		"/leading.parquet":      "/leading.parquet",
		"dir%2Ffile.parquet":    "dir/file.parquet", // as moto writes it
		"dir/file.parquet":      "dir/file.parquet",
		"t%3D1/x%26y.parquet":   "t=1/x&y.parquet",
		"%E2%80%A8line.parquet": "\u2028line.parquet",
		"..%2Fup.parquet":       "../up.parquet",
	} {
		n, err := notice.Parse(message(t, rec(func(_, o map[string]any) { o["key"] = encoded })))
		if err != nil || len(n.Files) != 1 || n.Files[0].Key != want {
			t.Errorf("%s: %+v, %v; want %q", encoded, n, err, want)
		}
	}
}

func TestWhichRecordsAreFiles(t *testing.T) {
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		change func(r, o map[string]any)
		want   notice.File // the zero File: none
		wrong  bool
	}{
		"put":               {nil, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"multipart":         {func(r, _ map[string]any) { r["eventName"] = "ObjectCreated:CompleteMultipartUpload" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"copy, later minor": {func(r, _ map[string]any) { r["eventName"], r["eventVersion"] = "ObjectCreated:Copy", "2.6" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"name with s3:":     {func(r, _ map[string]any) { r["eventName"] = "s3:ObjectCreated:Put" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"quoted ETag":       {func(_, o map[string]any) { o["eTag"] = `"e2-3"` }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e2-3", At: at}, false},
		"no version":        {func(_, o map[string]any) { o["versionId"] = nil }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"empty version":     {func(_, o map[string]any) { o["versionId"] = "" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"suspended":         {func(_, o map[string]any) { o["versionId"] = "null" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},
		"empty file":        {func(_, o map[string]any) { o["size"] = 0 }, notice.File{Bucket: "b", Key: "k.parquet", ETag: "e1", At: at}, false},
		"time without Z":    {func(r, _ map[string]any) { r["eventTime"] = "2026-11-20T08:00:00.5" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at.Add(500 * time.Millisecond)}, false},
		"time with zone":    {func(r, _ map[string]any) { r["eventTime"] = "2026-11-20T09:00:00+01:00" }, notice.File{Bucket: "b", Key: "k.parquet", Size: 5, ETag: "e1", At: at}, false},

		"removed":       {func(r, _ map[string]any) { r["eventName"] = "ObjectRemoved:Delete" }, notice.File{}, false},
		"restored":      {func(r, _ map[string]any) { r["eventName"] = "ObjectRestore:Completed" }, notice.File{}, false},
		"no event":      {func(r, _ map[string]any) { delete(r, "eventName") }, notice.File{}, false},
		"folder marker": {func(_, o map[string]any) { o["key"], o["size"] = "dir/", 0 }, notice.File{}, false},
		"version 3":     {func(r, _ map[string]any) { r["eventVersion"] = "3.0" }, notice.File{}, true},
		"version 2.0":   {func(r, _ map[string]any) { r["eventVersion"] = "2.0" }, notice.File{}, true},
		"version 2":     {func(r, _ map[string]any) { r["eventVersion"] = "2" }, notice.File{}, true},
		"version 22.1":  {func(r, _ map[string]any) { r["eventVersion"] = "22.1" }, notice.File{}, true},
		"no version no": {func(r, _ map[string]any) { delete(r, "eventVersion") }, notice.File{}, true},
		"key, no code":  {func(_, o map[string]any) { o["key"] = "100%.parquet" }, notice.File{}, true},
		"no key":        {func(_, o map[string]any) { delete(o, "key") }, notice.File{}, true},
		"long key":      {func(_, o map[string]any) { o["key"] = strings.Repeat("k", 1025) }, notice.File{}, true},
		"not UTF-8":     {func(_, o map[string]any) { o["key"] = "%FF.parquet" }, notice.File{}, true},
		"no bucket":     {func(r, o map[string]any) { r["s3"] = map[string]any{"object": o} }, notice.File{}, true},
		"no identity":   {func(_, o map[string]any) { delete(o, "eTag") }, notice.File{}, true},
		"negative":      {func(_, o map[string]any) { o["size"] = -1 }, notice.File{}, true},
		"no time":       {func(r, _ map[string]any) { delete(r, "eventTime") }, notice.File{}, true},
		"number as key": {func(_, o map[string]any) { o["key"] = 7 }, notice.File{}, true},
	} {
		// The record between two good ones: it must not spoil them.
		n, err := notice.Parse(message(t, rec(func(_, o map[string]any) { o["key"] = "first" }), rec(tt.change), rec(func(_, o map[string]any) { o["key"] = "last" })))
		if err != nil || len(n.Files) < 2 || n.Files[0].Key != "first" || n.Files[len(n.Files)-1].Key != "last" || len(n.Files)+len(n.Ignored) != 3 {
			t.Errorf("%s: %+v, %v", name, n, err)
			continue
		}
		reason, wrong := n.Wrong()
		switch {
		case tt.want != notice.File{}:
			if len(n.Files) != 3 || n.Files[1] != tt.want {
				t.Errorf("%s: %+v; want %+v", name, n, tt.want)
			}
		case len(n.Ignored) != 1 || n.Ignored[0].Reason == "" || n.Ignored[0].Wrong != tt.wrong || (wrong == 1) != tt.wrong || (reason != "") != tt.wrong:
			t.Errorf("%s: %+v", name, n)
		}
	}
}

func TestParseOthers(t *testing.T) {
	if n, err := notice.Parse(message(t)); err != nil || !reflect.DeepEqual(n, notice.Notice{}) {
		t.Errorf("no records: %+v, %v", n, err)
	}
	n, err := notice.Parse([]byte(`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-20T08:00:00.000Z","Bucket":"in-bucket","RequestId":"1","HostId":"2"}`))
	if err != nil || n.Test == nil || *n.Test != (notice.Test{Bucket: "in-bucket", At: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)}) || n.Files != nil {
		t.Errorf("test event: %+v, %v", n, err)
	}
	for _, body := range []string{``, `null`, `[]`, `"Records"`, `{}`, `{"Records":null}`, `{"Records":{}}`, `{"records":[]}`, `{"Event":"s3:Other"}`, `{"Event":7}`, `{"Records":[`, whole + "x"} {
		if n, err := notice.Parse([]byte(body)); problem.KindOf(err) != problem.Invalid || err == nil {
			t.Errorf("%s: %+v, %v", body, n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"Event":"s3:TestEvent","Bucket":"b"}`))
	f.Add([]byte(`{"Records":[{"eventVersion":"2.1","s3":null},7,null,{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := notice.Parse(body)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid || n.Test != nil || n.Files != nil || n.Ignored != nil {
				t.Fatalf("%+v, %v", n, err)
			}
			return
		}
		for _, file := range n.Files {
			if file.Bucket == "" || file.Key == "" || len(file.Key) > 1024 || strings.HasSuffix(file.Key, "/") || file.Size < 0 || file.VersionID == "" && file.ETag == "" {
				t.Fatalf("%+v", file)
			}
		}
		for _, i := range n.Ignored {
			if i.Reason == "" {
				t.Fatalf("%+v", i)
			}
		}
	})
}
