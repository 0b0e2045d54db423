package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"strm/internal/airbyte/config"
	"strm/internal/problem"
	"strm/internal/stream"
)

// parse returns the configuration of a good one with changes.
func parse(t *testing.T, changes map[string]any) (*config.Config, error) {
	t.Helper()
	m := map[string]any{
		"s3_bucket_name": "a-bucket", "s3_bucket_path": "/data/path/", "s3_bucket_region": "eu-west-1",
		"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"format": map[string]any{"format_type": "JSONL"}, "part_size_mb": 10, "nulled": nil,
	}
	for k, v := range changes {
		m[k] = v
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(text)
	if err != nil && problem.KindOf(err) != problem.Invalid {
		t.Errorf("kind %v", problem.KindOf(err))
	}
	return c, err
}

func format(kind string, pairs ...any) map[string]any {
	f := map[string]any{"format_type": kind}
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i].(string)] = pairs[i+1]
	}
	return map[string]any{"format": f}
}

func compression(c string) map[string]any { return map[string]any{"compression_type": c} }

func TestOutputs(t *testing.T) {
	a1 := stream.Envelope{Style: stream.EnvelopeAirbyte1}
	for _, tt := range []struct {
		config map[string]any
		want   stream.Output
		flat   bool
	}{
		{format("JSONL"), stream.Output{Format: "jsonl", Compression: "gzip", Flattening: "none", Envelope: a1}, false},
		{format("JSONL", "compression", nil, "flattening", "Root level flattening"), stream.Output{Format: "jsonl", Compression: "gzip", Flattening: "root", Envelope: a1}, false},
		{format("CSV", "compression", compression("No Compression"), "flattening", "Root-level flattening"), stream.Output{Format: "csv", Compression: "none", Flattening: "root", Envelope: a1}, true},
		{format("csv", "compression", compression("GZIP"), "flattening", "No flattening"), stream.Output{Format: "csv", Compression: "gzip", Flattening: "none", Envelope: a1}, false},
		{format("Parquet"), stream.Output{Format: "parquet", Compression: "none", Envelope: a1}, true},
		{format("Parquet", "compression_codec", "ZSTD", "block_size_mb", 128, "max_padding_size_mb", 8, "page_size_kb", 1024, "dictionary_page_size_kb", 512, "dictionary_encoding", false),
			stream.Output{Format: "parquet", Compression: "zstd", Envelope: a1, Parquet: stream.Parquet{RowGroupBytes: 64 << 20, PageBytes: 1 << 20, DictionaryBytes: 512 << 10, NoDictionary: true}}, true},
		{with(format("CSV", "flattening", "Root level flattening"), "columns_version", "1.0"), stream.Output{Format: "csv", Compression: "gzip", Flattening: "root", Envelope: a1, Table: stream.Table{Order: stream.OrderByName}}, true},
		{with(format("CSV"), "columns_version", "0.x"), stream.Output{Format: "csv", Compression: "gzip", Flattening: "none", Envelope: stream.Envelope{Style: stream.EnvelopeAirbyte0}}, false},
		{with(format("CSV"), "csv_layout", "airbyte-0.x"), stream.Output{Format: "csv", Compression: "gzip", Flattening: "none", Envelope: stream.Envelope{Style: stream.EnvelopeAirbyte0}}, false},
		{with(format("JSONL"), "layout", "tarsal", "column_names", map[string]any{"id": "_my_id"}), stream.Output{Format: "jsonl", Layout: "tarsal", Compression: "none", Flattening: "none", Envelope: stream.Envelope{Style: stream.EnvelopeTarsal, IDName: "_my_id"}}, false},
		{with(format("CSV"), "layout", "tarsal", "csv_layout", "tarsal-prose"), stream.Output{Format: "csv", Layout: "tarsal", Compression: "none", Flattening: "none", Envelope: stream.Envelope{Style: stream.EnvelopeTarsalProse}}, false},
	} {
		c, err := parse(t, tt.config)
		if err != nil {
			t.Errorf("%v: %v", tt.config, err)
			continue
		}
		if tt.want.Layout == "" {
			tt.want.Layout = "airbyte"
		}
		if c.Output != tt.want || c.Flat != tt.flat {
			t.Errorf("%v:\n got %+v, %v\nwant %+v, %v", tt.config, c.Output, c.Flat, tt.want, tt.flat)
		}
	}
}

func with(m map[string]any, pairs ...any) map[string]any {
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

// Wrong ones are explained, and no secret is in the explanation.
func TestRefusals(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	for _, tt := range []struct {
		changes map[string]any
		want    string
	}{
		{map[string]any{"s3_bucket_name": nil}, "s3_bucket_name is missing"},
		{map[string]any{"s3_bucket_name": 7}, "s3_bucket_name must be a text"},
		{map[string]any{"s3_bucket_name": "arn:aws:s3:::b"}, "not its ARN"},
		{map[string]any{"s3_bucket_name": "s3://b/path"}, "not a URL"},
		{map[string]any{"s3_bucket_name": "Upper"}, "3 to 63 characters"},
		{map[string]any{"s3_bucket_name": "a..b"}, "cannot be a bucket"},
		{map[string]any{"s3_bucket_path": "a//b"}, "empty part"},
		{map[string]any{"s3_bucket_path": "a/../b"}, `".."`},
		{map[string]any{"s3_bucket_path": "a/${NOPE}"}, "${NOPE} is not known"},
		{map[string]any{"s3_bucket_region": "eu west"}, "cannot be a region"},
		{map[string]any{"s3_endpoint": "minio:9000"}, "whole URL"},
		{map[string]any{"s3_endpoint": "https://user:pass@host"}, "without user"},
		{map[string]any{"s3_endpoint": "http://b.s3-website.eu-west-1.amazonaws.com"}, "static website"},
		{map[string]any{"access_key_id": "short"}, "access_key_id has 5 characters; it must have 16 to 128"},
		{map[string]any{"access_key_id": strings.Repeat("A", 129)}, "has 129 characters"},
		{map[string]any{"access_key_id": "AKIA-IOSFODNN7EXAMPLE"}, "letters and digits"},
		{map[string]any{"secret_access_key": secret}, "secret_access_key has 13 characters"},
		{map[string]any{"secret_access_key": " wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, "white space"},
		{map[string]any{"access_key_id": nil}, "go together"},
		{map[string]any{"role_arn": "arn:aws:iam::123456789012:role/x"}, "not both"},
		{map[string]any{"role_arn": "arn:aws:iam:eu-west-1:123456789012:queue", "access_key_id": nil, "secret_access_key": nil}, "arn:aws:iam::123456789012:role/name, without a region"},
		{map[string]any{"external_id": "x"}, "no role_arn"},
		{map[string]any{"format": nil}, "format.format_type is missing"},
		{map[string]any{"format": "CSV"}, "format must be an object"},
		{format("Avro"), "Avro is not supported"},
		{format("XML"), "not known"},
		{format("CSV", "flattening", "deep"), "format.flattening must be one of"},
		{format("CSV", "compression", compression("LZ4")), "format.compression.compression_type must be one of"},
		{format("CSV", "compression", "GZIP"), "format.compression must be an object"},
		{format("Parquet", "compression_codec", "LZO"), "LZO is not supported"},
		{format("Parquet", "page_size_kb", "big"), "format.page_size_kb must be a whole number"},
		{format("Parquet", "page_size_kb", -1), "format.page_size_kb must be above 0"},
		{format("Parquet", "dictionary_encoding", 1), "true or false"},
		{map[string]any{"s3_path_format": "${STREAM}/"}, "${STREAM} is not known"},
		{map[string]any{"file_name_pattern": "{part}"}, "{part} is not known"},
		{map[string]any{"layout": "other"}, "layout must be one of airbyte, tarsal"},
		{map[string]any{"layout": "tarsal", "s3_path_format": "x/"}, "the layout tarsal has names of its own"},
		{map[string]any{"layout": "tarsal", "columns_version": "0.x"}, "csv_layout"},
		{map[string]any{"columns_version": "2"}, "columns_version must be one of"},
		{map[string]any{"destination_id": "a b"}, "destination_id"},
		{map[string]any{"flush_interval_seconds": 0}, "between 1 and 3600"},
		{map[string]any{"file_size_mb": 1.5}, "whole number"},
		{map[string]any{"check_overwrite": "yes"}, "true or false"},
	} {
		_, err := parse(t, tt.changes)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.changes, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "pass@") {
			t.Errorf("a secret is in %q", err)
		}
	}
	for text, want := range map[string]string{"[]": "must be a JSON object", "{": "not JSON"} {
		if _, err := config.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestOtherStoresMayHaveShortKeys(t *testing.T) {
	changes := map[string]any{"s3_endpoint": "https://minio.example.com/", "access_key_id": "minio", "secret_access_key": "minio123", "s3_bucket_region": ""}
	c, err := parse(t, changes)
	if err != nil || c.Endpoint != "https://minio.example.com" || c.Region != "" || len(c.Warnings) != 0 {
		t.Errorf("%v, %v", c, err)
	}
	changes["layout"] = "tarsal"
	if _, err := parse(t, changes); err == nil {
		t.Error("tarsal took a short key")
	}
	changes = map[string]any{"s3_endpoint": "http://localhost:9000"}
	if c, err := parse(t, changes); err != nil || len(c.Warnings) != 1 {
		t.Errorf("%v, %v", c, err)
	}
}

func TestDestinationIDs(t *testing.T) {
	id := func(changes map[string]any) string {
		t.Helper()
		c, err := parse(t, changes)
		if err != nil {
			t.Fatal(err)
		}
		return c.ID
	}
	base := id(nil)
	if base == "" || base != id(map[string]any{"access_key_id": "AKIAIOSFODNN7EXAMPL2", "format": map[string]any{"format_type": "CSV"}, "s3_bucket_path": "data/path"}) {
		t.Error("keys and formats are no part of it")
	}
	for _, other := range []map[string]any{{"s3_bucket_path": "x"}, {"s3_bucket_name": "another"}, {"s3_path_format": "x/"}, {"stream_prefix": "x"}, {"destination_id": "x"}, {"s3_endpoint": "https://x"}} {
		if id(other) == base {
			t.Errorf("%v has the same", other)
		}
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	c, err := parse(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, c); strings.Contains(got, "wJalr") || !strings.Contains(got, "a-bucket") {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

// Every property of the spec is one that Parse knows: a wrong type is refused.
func TestSpecIsWhatParseTakes(t *testing.T) {
	var spec struct {
		Modes  []string `json:"supported_destination_sync_modes"`
		Schema struct {
			Required   []string
			Additional bool `json:"additionalProperties"`
			Properties map[string]struct {
				Secret bool `json:"airbyte_secret"`
				Order  *int
				Enum   []string
				OneOf  []struct {
					Properties map[string]struct{ Enum []string }
				}
			}
		} `json:"connectionSpecification"`
	}
	if err := json.Unmarshal(config.Spec, &spec); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(spec.Modes) != "[overwrite append]" || fmt.Sprint(spec.Schema.Required) != "[s3_bucket_name s3_bucket_path s3_bucket_region format]" || !spec.Schema.Additional {
		t.Errorf("%+v", spec)
	}
	if n := len(spec.Schema.Properties["s3_bucket_region"].Enum); n != 34 {
		t.Errorf("%d regions", n)
	}
	for name, p := range spec.Schema.Properties {
		if _, err := parse(t, map[string]any{name: []int{1}, "format": format("Parquet")["format"], "layout": nil}); err == nil && name != "layout" && name != "format" {
			t.Errorf("%s of a wrong type was accepted", name)
		}
		if p.Order == nil || p.Secret != (name == "access_key_id" || name == "secret_access_key") {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, o := range spec.Schema.Properties["format"].OneOf {
		for name, p := range o.Properties {
			for _, value := range p.Enum {
				kind := o.Properties["format_type"].Enum[0]
				if _, err := parse(t, format(kind, name, value)); err != nil {
					t.Errorf("%s %s=%s: %v", kind, name, value, err)
				}
			}
		}
	}
}
