package paths_test

import (
	"strings"
	"testing"
	"time"

	"strm/internal/airbyte/paths"
)

const full = "${NAMESPACE}/${STREAM_NAME}/${YEAR}/${MONTH}/${DAY}/${HOUR}/${MINUTE}/${SECOND}/${MILLISECOND}/${EPOCH}/"
const file = "{date}-{date:yyyy_MM}-{timestamp}-{part_number}-{sync_id}{format_extension}"

// The reference's vectors: the sync began at 2020-01-02T03:04:05.6789Z, the
// file's clock is a millisecond on.
func TestVectors(t *testing.T) {
	sync := time.Date(2020, 1, 2, 3, 4, 5, 678900000, time.UTC)
	now := time.UnixMilli(sync.UnixMilli() + 1)
	for _, tt := range []struct{ path, format, pattern, ns, name, ext, want string }{
		{"prefix", full, file, "ns", "users", "jsonl.gz", "prefix/ns/users/2020/01/02/03/04/05/0678/1577934245678/2020_01_02-2020_01-1577934245679-173-42.jsonl.gz"},
		{"prefix", "${SYNC_ID}/" + full, file, "ns", "users", "jsonl.gz", "prefix/42/ns/users/2020/01/02/03/04/05/0678/1577934245678/2020_01_02-2020_01-1577934245679-173-42.jsonl.gz"},
		{"prefix", strings.TrimSuffix(full, "/") + "_", file, "ns", "users", "jsonl.gz", "prefix/ns/users/2020/01/02/03/04/05/0678/1577934245678_2020_01_02-2020_01-1577934245679-173-42.jsonl.gz"},
		{"prefix", full, file, "", "users", "jsonl.gz", "prefix/users/2020/01/02/03/04/05/0678/1577934245678/2020_01_02-2020_01-1577934245679-173-42.jsonl.gz"},
		{"prefix", "${STREAM_NAME}/", "{part_number}", "", "stream_with:spécial:characters", "x", "prefix/stream_with:special:characters/173"},
		{"prefix", "${NAMESPACE}/", "{part_number}", "_spøcial", "s", "x", "prefix/_sp_cial/173"},
		{"data_output_path", "", "", "public", "users", "csv.gz", "data_output_path/public/users/2020_01_02_1577934245678_173.csv.gz"},
		{"", "", "", "", "users", "parquet", "users/2020_01_02_1577934245678_173.parquet"},
		{"/p/", "foo/", "1.json", "", "s", "x", "p/foo/1.json"},
		{"p", "foo", "1.json", "", "s", "x", "p/foo1.json"},
		{"p//q", "//foo//", "{timestamp:micros}_{timestamp:millis}", "", "s", "x", "p/q/foo/1577934245679000_1577934245679"},
		{"p/${STREAM_NAME}/${YEAR}", "x/", "{part_number}", "", "s", "x", "p/s/2020/x/173"},
		{"p", "${UUID}_", "{part_number}", "", "s", "x", "p/01234567-89ab_173"},
		{"p", "${STREAM_NAME}/", "{date:yyyy-MM-dd'}", "", "s", "x", ""},
	} {
		template, err := paths.Parse(tt.path, tt.format, tt.pattern)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q %q was accepted", tt.format, tt.pattern)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got := template.Key(paths.Values{Namespace: tt.ns, Stream: tt.name, Sync: sync, Now: now, SyncID: 42, Part: 173, Ext: tt.ext, UUID: "01234567-89ab"})
		if got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestPublishedKeys(t *testing.T) {
	at := time.UnixMilli(1637770542844)
	template, err := paths.Parse("airbyte_data_sync", "", "")
	if err != nil {
		t.Fatal(err)
	}
	v := paths.Values{Namespace: "github", Stream: "github_projects", Sync: at, Ext: "csv"}
	if got := template.Key(v); got != "airbyte_data_sync/github/github_projects/2021_11_24_1637770542844_0.csv" {
		t.Error(got)
	}
	if got := template.Prefix(v); got != "airbyte_data_sync/github/github_projects/" {
		t.Error(got)
	}
	template, err = paths.Tarsal("data_output_path")
	if err != nil {
		t.Fatal(err)
	}
	v = paths.Values{Stream: "users", Sync: at, Now: time.UnixMilli(1609541171643), Ext: "csv"}
	if got := template.Key(v); got != "data_output_path/users/2021_01_01_1609541171643_0.csv" {
		t.Error(got)
	}
	template, err = paths.Tarsal("fake-bucketPath")
	if err != nil {
		t.Fatal(err)
	}
	v = paths.Values{Namespace: "fake-namespace", Stream: "fake-stream", Now: time.UnixMilli(1639077474000), Ext: "csv"}
	if got := template.Key(v); got != "fake-bucketPath/fake_namespace/fake_stream/2021_12_09_1639077474000_0.csv" {
		t.Error(got)
	}
}

// The constant prefix of a stream is what stands before the first variable that
// changes from sync to sync.
func TestPrefix(t *testing.T) {
	for format, want := range map[string]string{
		full:                        "prefix/ns/s/",
		"${SYNC_ID}/" + full:        "prefix/",
		"${STREAM_NAME}":            "prefix/s",
		"a/${STREAM_NAME}_${EPOCH}": "prefix/a/s_",
	} {
		template, err := paths.Parse("prefix", format, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := template.Prefix(paths.Values{Namespace: "ns", Stream: "s"}); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct{ path, format, pattern, want string }{
		{"", "${FOO}/", "", "${FOO} is not known; there are ${NAMESPACE}"},
		{"", "${}", "", "not known"},
		{"", "", "{part}", "{part} is not known; there are {date}"},
		{"", "{date}/", "", "variables are written ${NAME}"},
		{"", "", "${UUID}", "variables are written {NAME}"},
		{"", "${EPOCH", "", "variables are written"},
		{"", "a}", "", "variables are written"},
		{"", "}{", "", "variables are written"},
		{"", "", "{date:YYYY}", "YYYY"},
		{"", "", "{part_number:3}", "colon"},
		{"", "a/../b", "", `".."`},
		{"../x", "", "", `".."`},
	} {
		_, err := paths.Parse(tt.path, tt.format, tt.pattern)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	if paths.CheckKey("a/../b") == nil || paths.CheckKey("./a") == nil || paths.CheckKey("a/..b/c..") != nil {
		t.Error("CheckKey")
	}
}

func TestParts(t *testing.T) {
	template, err := paths.Parse("p", "${STREAM_NAME}/x_", "")
	if err != nil {
		t.Fatal(err)
	}
	v := paths.Values{Stream: "s", Ext: "csv"}
	for key, want := range map[string]int64{"p/s/x_0.csv": 0, "p/s/x_17.csv": 17, "p/s/x_.csv": -1, "p/s/y_1.csv": -1, "p/s/x_3.csv.gz": -1, "p/s/x_3-1.csv": -1} {
		got, ok := template.Part(key, v)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d", key, got, want)
		}
	}
}
