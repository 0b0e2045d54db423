package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/ingest"
	"strm/internal/ingest/ingesttest"
	"strm/internal/problem"
)

var acceptedAt = time.UnixMilli(1625820808909)

func withMeta(t testing.TB, body string, d ingest.MetaDefaults) (string, error) {
	t.Helper()
	l := newLog(t, 1)
	req := one(body)
	req.Stream.StrmMeta, req.Meta, req.Received = true, d, acceptedAt
	_, err := ingest.New(l, ingest.Options{}).Ingest(t.Context(), req)
	return text(t, l), err
}

var nonce = regexp.MustCompile(`"nonce":(-?\d+),"timestamp":1625820808909,"keyLink":null`)

func TestStrmMeta(t *testing.T) {
	none := ingest.MetaDefaults{}
	for _, c := range []struct {
		name, body string
		d          ingest.MetaDefaults
		want       string // N stands for nonce, timestamp and keyLink
	}{
		{"nothing said", `{"a":1}`, none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]},"a":1}`},
		{"schema of the request", `{"a":1}`, ingest.MetaDefaults{SchemaID: "clickstream", BillingID: "demo8542234275"},
			`{"strmMeta":{"schemaId":"clickstream",N,"billingId":"demo8542234275","consentLevels":[]},"a":1}`},
		{"contract of the request", `{"a":1}`, ingest.MetaDefaults{SchemaID: "x", EventContractRef: "h/n/1"},
			`{"strmMeta":{"eventContractRef":"h/n/1",N,"billingId":null,"consentLevels":[]},"a":1}`},
		{"odd characters", `{"a":1}`, ingest.MetaDefaults{SchemaID: `a"b\` + "\n", BillingID: "é"},
			`{"strmMeta":{"schemaId":"a\"b\\\n",N,"billingId":"é","consentLevels":[]},"a":1}`},
		{"no members", `{}`, none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]}}`},
		{"no members, space", `{ }`, none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]} }`},
		{"space kept", `{ "a" : 1 }`, none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]}, "a" : 1 }`},
		{"pretty", "{\n \"a\" : 1\n}", none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]},"a":1}`},
		{"producer's part first", `{"strmMeta":{"schemaId":"s","consentLevels":[0,1]},"a":1}`, ingest.MetaDefaults{SchemaID: "other"},
			`{"strmMeta":{"schemaId":"s",N,"billingId":null,"consentLevels":[0,1]},"a":1}`},
		{"producer's part last", `{"a":1 , "strmMeta" : {"consentLevels" : [ -1 ]} }`, ingest.MetaDefaults{SchemaID: "d"},
			`{"strmMeta":{"schemaId":"d",N,"billingId":null,"consentLevels":[ -1 ]},"a":1  }`},
		{"producer's part between", `{"a":1,"strmMeta":{"eventContractRef":"h/n/1"},"b":2}`, ingest.MetaDefaults{SchemaID: "d"},
			`{"strmMeta":{"eventContractRef":"h/n/1",N,"billingId":null,"consentLevels":[]},"a":1,"b":2}`},
		{"producer's part alone", `{"strmMeta":{}}`, none, `{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]}}`},
		{"schema and contract", `{"strmMeta":{"eventContractRef":"h/n/1","schemaId":"s"},"b":2}`, none,
			`{"strmMeta":{"schemaId":"s","eventContractRef":"h/n/1",N,"billingId":null,"consentLevels":[]},"b":2}`},
		{"set by us, whatever was sent", `{"strmMeta":{"nonce":1,"timestamp":2,"keyLink":"k","billingId":"b"},"b":2}`, none,
			`{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]},"b":2}`},
		{"unknown fields are kept", `{"strmMeta":{"x":{"y":[1,"},{"]},"schemaId":"s","z":null},"b":2}`, none,
			`{"strmMeta":{"schemaId":"s",N,"billingId":null,"consentLevels":[],"x":{"y":[1,"},{"]},"z":null},"b":2}`},
		{"null is not said", `{"strmMeta":{"schemaId":null,"consentLevels":null,"eventContractRef":null}}`, ingest.MetaDefaults{SchemaID: "d"},
			`{"strmMeta":{"schemaId":"d",N,"billingId":null,"consentLevels":[]}}`},
		{"escaped names", `{"strm\u004deta":{"schema\u0049d":"s"},"b":2}`, none,
			`{"strmMeta":{"schemaId":"s",N,"billingId":null,"consentLevels":[]},"b":2}`},
		{"pretty, with producer's part", "{\n\"b\": 2,\n\"strmMeta\": {\n\"consentLevels\": [\n1,\n2\n]\n}\n}", none,
			`{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[1,2]},"b":2}`},
		{"nested ones are not ours", `{"a":{"strmMeta":5},"b":[{"strmMeta":6}]}`, none,
			`{"strmMeta":{"schemaId":"",N,"billingId":null,"consentLevels":[]},"a":{"strmMeta":5},"b":[{"strmMeta":6}]}`},
	} {
		got, err := withMeta(t, c.body, c.d)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := nonce.ReplaceAllString(got, "N"); got != c.want+"\n" {
			t.Errorf("%s:\n got %s want %s", c.name, got, c.want)
		}
	}
}

func TestStrmMetaRefused(t *testing.T) {
	for body, reason := range map[string]string{
		`{"strmMeta":5}`:                                       "strmMeta must be a JSON object",
		`{"strmMeta":null}`:                                    "strmMeta must be a JSON object",
		`{"strmMeta":[]}`:                                      "strmMeta must be a JSON object",
		`{"strmMeta":{},"strmMeta":{}}`:                        "stands in the event twice",
		`{"strmMeta":{"schemaId":"a","schemaId":"b"}}`:         "strmMeta.schemaId stands in the event twice",
		`{"strmMeta":{"schemaId":5}}`:                          "strmMeta.schemaId must be a string",
		`{"strmMeta":{"eventContractRef":{}}}`:                 "strmMeta.eventContractRef must be a string",
		`{"strmMeta":{"consentLevels":1}}`:                     "must be an array of integers",
		`{"strmMeta":{"consentLevels":["1"]}}`:                 "must be an array of integers",
		`{"strmMeta":{"consentLevels":[1.5]}}`:                 "must be an array of integers",
		`{"strmMeta":{"consentLevels":[1e2]}}`:                 "must be an array of integers",
		`{"strmMeta":{"consentLevels":[[1]]}}`:                 "must be an array of integers",
		`{"strmMeta":{"consentLevels":[null]}}`:                "must be an array of integers",
		`{"strmMeta":{"consentLevels":{"a":[1]}}}`:             "must be an array of integers",
		`{"strmMeta":{"consentLevels":[1],"consentLevels":5}}`: "twice",
	} {
		got, err := withMeta(t, "{}\n"+body, ingest.MetaDefaults{})
		if problem.KindOf(err) != problem.Invalid || err == nil || !strings.HasPrefix(err.Error(), "line 2: ") || !strings.Contains(err.Error(), reason) || got != "" {
			t.Errorf("%s: %v, stored %q", body, err, got)
		}
	}
	if _, err := withMeta(t, "{}", ingest.MetaDefaults{SchemaID: "\xff"}); problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
}

func TestNoncesDiffer(t *testing.T) {
	l := newLog(t, 1)
	g := ingest.New(l, ingest.Options{})
	for range 20 {
		req := one(strings.Repeat("{}\n", 50))
		req.Stream.StrmMeta, req.Received = true, acceptedAt
		if _, err := g.Ingest(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	seen, negative := map[string]bool{}, 0
	for _, m := range nonce.FindAllStringSubmatch(text(t, l), -1) {
		seen[m[1]] = true
		if m[1][0] == '-' {
			negative++
		}
	}
	// 1,000 draws of 32 bits: three or more pairs alike has odds below one in a billion.
	if len(seen) < 998 || negative < 300 || negative > 700 {
		t.Errorf("%d nonces, %d negative", len(seen), negative)
	}
}

// FuzzStrmMeta compares the merge with one done by encoding/json.
func FuzzStrmMeta(f *testing.F) {
	for _, s := range []string{`{}`, `{"schemaId":"a"}`, `{"consentLevels":[1,2],"x":{"y":"}"}}`, `5`, `null`, `{"nonce":1,"schemaId":null}`, `{"a":1,"a":2}`, ` { "z" : [ ] } `} {
		f.Add([]byte(s), []byte(`{"q":1}`), byte(0))
		f.Add([]byte(s), []byte(`[]`), byte(1))
		f.Add([]byte(s), []byte(`"x"`), byte(2))
	}
	f.Fuzz(func(t *testing.T, meta, other []byte, where byte) {
		if !json.Valid(meta) || !json.Valid(other) {
			return
		}
		body := [...]string{`{"strmMeta":%[1]s,"a":%[2]s}`, `{"a":%[2]s,"strmMeta":%[1]s}`, `{"a":%[2]s, "strmMeta" : %[1]s , "b":0}`}[where%3]
		body = fmt.Sprintf(body, meta, other)
		l := &ingesttest.Log{}
		if err := l.Create(t.Context(), "s1", 1); err != nil {
			t.Fatal(err)
		}
		req := one(body)
		req.Stream.StrmMeta, req.Received, req.Meta.SchemaID = true, acceptedAt, "default"
		if _, err := ingest.New(l, ingest.Options{}).Ingest(t.Context(), req); err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatal(err)
			}
			return
		}
		var got, sent struct {
			StrmMeta map[string]json.RawMessage `json:"strmMeta"`
			A        json.RawMessage            `json:"a"`
		}
		stored := text(t, l)
		if err := json.Unmarshal([]byte(stored), &got); err != nil {
			t.Fatalf("%q: %v", stored, err)
		}
		if err := json.Unmarshal([]byte(body), &sent); err != nil {
			t.Fatal(err)
		}
		if compact(t, got.A) != compact(t, sent.A) {
			t.Fatalf("a became %s of %s", got.A, sent.A)
		}
		if strings.Count(stored, "\n") != 1 || !strings.HasPrefix(stored, `{"strmMeta":{"`) {
			t.Fatalf("%q", stored)
		}
		ours := []string{"nonce", "timestamp", "keyLink", "billingId"}
		for k, v := range sent.StrmMeta {
			known := k == "schemaId" || k == "eventContractRef" || k == "consentLevels"
			if slices.Contains(ours, k) || known && string(v) == "null" {
				continue
			}
			if compact(t, got.StrmMeta[k]) != compact(t, v) {
				t.Fatalf("strmMeta.%s became %s of %s", k, got.StrmMeta[k], v)
			}
		}
		for _, k := range append(ours, "consentLevels") {
			if got.StrmMeta[k] == nil {
				t.Fatalf("strmMeta.%s is missing in %s", k, stored)
			}
		}
		if got.StrmMeta["schemaId"] == nil && got.StrmMeta["eventContractRef"] == nil {
			t.Fatalf("no schema in %s", stored)
		}
	})
}

func compact(t *testing.T, raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
