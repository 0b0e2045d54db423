package wire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"strm/internal/collect/split/wire"
)

// Whatever the body, each line is one JSON object of the form that its kind has,
// within the bound, and parts give what the whole gives.
func FuzzLines(f *testing.F) {
	for _, c := range captures {
		f.Add(string(readCapture(f, c.name).Body), uint8(c.kind))
	}
	f.Add(`{"keys":[{"f":"a","ks":["u",1]},{"k":"u","fs":["x"]}]}`, uint8(wire.Keys))
	f.Add("[{\"key\":\"u\",\"eventTypeId\":1,\"properties\":{\n\"a\":\"\\\\\"}, \"timestamp\":\"1795161717.5\"}]", uint8(wire.Events))
	f.Add("{\"entries\":[{\"f\":\"\xff\",\"i\":[{\"k\":\"\\ud800\",\"t\":\"on\",\"properties\":[{}]}]}],\"token\":\"\\u0061\"}", uint8(wire.Impressions))
	f.Fuzz(func(t *testing.T, body string, k uint8) {
		kind := wire.Kind(k % 4)
		mended := wire.Mend([]byte(body))
		e, err := wire.Open(mended)
		if err != nil {
			if json.Valid(mended) {
				t.Fatalf("valid, but %v", err)
			}
			return
		}
		const bound = 4096
		facts := wire.Facts{Split: environment, Received: received, SDK: e.SDK, Mode: e.Mode, Machine: e.Machine, IP: e.IP, MaxLine: bound}
		var w wire.Writer
		w.Begin(kind, e.Entries, facts)
		out, more := w.Append(nil, 1<<30)
		if more || !utf8.Valid(out) {
			t.Fatalf("more %v, UTF-8 %v", more, utf8.Valid(out))
		}
		n := 0
		for line := range bytes.Lines(out) {
			n++
			if len(line) > bound+1 || line[len(line)-1] != '\n' {
				t.Fatalf("%d bytes: %s", len(line), line)
			}
			check(t, kind, line)
		}
		if n != w.Lines() {
			t.Fatalf("%d lines, it says %d", n, w.Lines())
		}
		rejected := w.Rejected()
		var parts []byte
		w.Begin(kind, e.Entries, facts)
		for more := true; more; {
			var part []byte
			part, more = w.Append(nil, 300)
			parts = append(parts, part...)
		}
		if !bytes.Equal(parts, out) || w.Rejected() != rejected {
			t.Fatalf("in parts\n%s\nwhole\n%s", parts, out)
		}
	})
}

var columns = map[wire.Kind]string{
	wire.Impressions: "key label treatment splitName splitVersion properties environmentId trafficTypeId sdk sdkVersion machineName machineIp timestamp receptionTimestamp",
	wire.Events:      "environmentId trafficTypeId eventTypeId key timestamp value properties trafficTypeName sdk sdkVersion machineName machineIp receptionTimestamp",
	wire.Counts:      "kind splitName hour count environmentId trafficTypeId sdk sdkVersion machineName machineIp receptionTimestamp",
}

func check(t *testing.T, kind wire.Kind, line []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var names []string
	if _, err := d.Token(); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		name, _ := key.(string)
		names = append(names, name)
		var val any
		if err := d.Decode(&val); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch name {
		case "splitVersion", "timestamp", "receptionTimestamp", "previousTime", "hour", "count":
			n, ok := val.(json.Number)
			if _, err := n.Int64(); !ok || err != nil {
				t.Fatalf("%s is %v: %s", name, val, line)
			}
		case "value":
			if n, ok := val.(json.Number); ok {
				if _, err := n.Float64(); err != nil {
					t.Fatalf("value %v", err)
				}
			} else if val != nil {
				t.Fatalf("value is %v: %s", val, line)
			}
		case "machineName", "machineIp":
			if _, ok := val.(string); !ok && val != nil {
				t.Fatalf("%s is %v: %s", name, val, line)
			}
		case "properties":
			if _, ok := val.(string); !ok && kind == wire.Impressions {
				t.Fatalf("properties are %v: %s", val, line)
			}
		case "keys", "splitNames":
		default:
			if _, ok := val.(string); !ok {
				t.Fatalf("%s is %v: %s", name, val, line)
			}
		}
	}
	if want := columns[kind]; want != "" && !strings.HasPrefix(strings.Join(names, " "), want) {
		t.Fatalf("columns %v: %s", names, line)
	}
}
