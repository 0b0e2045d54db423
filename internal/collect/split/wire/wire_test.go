package wire_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"strm/internal/collect/split/wire"
	"strm/internal/problem"
)

const impressionLine = `{"key":%s,"label":%s,"treatment":"on","splitName":"checkout_v2","splitVersion":%s,"properties":%s,"environmentId":"env-1","trafficTypeId":"tt-user",` +
	`"sdk":"nodejs","sdkVersion":"11.11.2","machineName":null,"machineIp":null,"timestamp":%s,"receptionTimestamp":1795161900123%s}` + "\n"

func TestImpressionForms(t *testing.T) {
	for _, c := range []struct{ name, in, key, label, version, properties, at, more string }{
		{"all", `{"k":"u","t":"on","m":5,"c":1700000000000,"r":"rule","b":"bk","pt":4,"properties":"{\"a\":1}","et":"user"}`,
			`"u"`, `"rule"`, "1700000000000", `"{\"a\":1}"`, "5", `,"bucketingKey":"bk","previousTime":4,"impressionsMode":"DEBUG","entityType":"user"`},
		{"least", `{"k":"u","t":"on"}`, `"u"`, `""`, "0", `""`, "1795161900123", ""},
		{"nulls", `{"k":"u","t":"on","m":null,"c":null,"r":null,"b":null,"pt":null,"properties":null,"et":null}`, `"u"`, `""`, "0", `""`, "1795161900123", ""},
		{"no properties", `{"k":"u","t":"on","m":1,"properties":"null"}`, `"u"`, `""`, "0", `""`, "1", ""},
		{"empty properties", `{"k":"u","t":"on","m":1,"properties":""}`, `"u"`, `""`, "0", `""`, "1", ""},
		{"properties as an object", `{"k":"u","t":"on","m":1,"properties":{"a":"b"}}`, `"u"`, `""`, "0", `"{\"a\":\"b\"}"`, "1", ""},
		{"a number as key", `{"k":17,"t":"on","m":1}`, `"17"`, `""`, "0", `""`, "1", ""},
		{"large version", `{"k":"u","t":"on","m":1,"c":9223372036854775807}`, `"u"`, `""`, "9223372036854775807", `""`, "1", ""},
		{"version as text", `{"k":"u","t":"on","m":"2","c":"1700000000001"}`, `"u"`, `""`, "1700000000001", `""`, "2", ""},
		{"floats", `{"k":"u","t":"on","m":1795161717142.0,"c":1.7e12}`, `"u"`, `""`, "1700000000000", `""`, "1795161717142", ""},
		{"escapes stay", `{"\u006b":"\u00e9\n","t":"on","m":1}`, `"\u00e9\n"`, `""`, "0", `""`, "1", ""},
		{"not UTF-8", "{\"k\":\"a\xff\",\"t\":\"on\",\"m\":1}", "\"a\uFFFD\"", `""`, "0", `""`, "1", ""},
		{"old names", `{"keyName":"u","treatment":"on","time":7,"changeNumber":8,"label":"l","bucketingKey":"b","previousTime":6}`,
			`"u"`, `"l"`, "8", `""`, "7", `,"bucketingKey":"b","previousTime":6`},
	} {
		t.Run(c.name, func(t *testing.T) {
			group := []string{"f", "i"}
			if c.name == "old names" {
				group = []string{"testName", "keyImpressions"}
			}
			f := wire.Facts{SDK: "nodejs-11.11.2", Machine: "unknown", IP: "NA"}
			if c.name == "all" {
				f.Mode = "debug"
			}
			body := fmt.Sprintf(`[{"%s":[%s],"%s":"checkout_v2"}]`, group[1], c.in, group[0])
			got, rejected := lines(t, wire.Impressions, body, f)
			want := fmt.Sprintf(impressionLine, c.key, c.label, c.version, c.properties, c.at, c.more)
			if got != want || rejected != (wire.Rejected{}) {
				t.Errorf("got\n%s\nwant\n%s\nleft out %v", got, want, rejected)
			}
		})
	}
}

func TestEventForms(t *testing.T) {
	for _, c := range []struct{ in, at, value, properties string }{
		{`"timestamp":1795161717150,"value":39.95,"properties":{"a":1}`, "1795161717150", "39.95", `{"a":1}`},
		{`"timestamp":1795161717150,"value":null,"properties":null`, "1795161717150", "null", "null"},
		{`"timestamp":1795161717150`, "1795161717150", "null", "null"},
		{`"value":-1e-3`, "1795161900123", "-1e-3", "null"},
		{`"timestamp":true,"value":1e999`, "1795161900123", "null", "null"},
		{`"timestamp":"1795161717","value":"3.50"`, "1795161717000", "3.5", "null"},
		{`"timestamp":"1795161717.25","value":"NaN"`, "1795161717250", "null", "null"},
		{`"timestamp":"1795161717150","value":true`, "1795161717150", "null", "null"},
		{`"timestamp":" 1795161717150000 "`, "1795161717150", "null", "null"},
		{`"timestamp":"1795161717150000000"`, "1795161717150", "null", "null"},
		{`"timestamp":"2026-11-20T08:00:00.5Z"`, "1795161600500", "null", "null"},
		{`"timestamp":"yesterday"`, "1795161900123", "null", "null"},
		{`"timestamp":1795161717`, "1795161717", "null", "null"},
		{`"timestamp":1,"properties":"text"`, "1", "null", `"text"`},
		{"\"timestamp\":1,\"properties\":{\r\n\"a\\\"\": \"b \\\\\",\n\t\"c\" :[ 1 ]\n}", "1", "null", `{"a\"":"b \\","c":[1]}`},
	} {
		got, rejected := lines(t, wire.Events, `[{"key":"u","trafficTypeName":"user","eventTypeId":"buy",`+c.in+`}]`, wire.Facts{SDK: "go-6.8.1", Machine: "m", IP: "192.0.2.1"})
		want := `{"environmentId":"env-1","trafficTypeId":"tt-user","eventTypeId":"buy","key":"u","timestamp":` + c.at + `,"value":` + c.value + `,"properties":` + c.properties +
			`,"trafficTypeName":"user","sdk":"go","sdkVersion":"6.8.1","machineName":"m","machineIp":"192.0.2.1","receptionTimestamp":1795161900123}` + "\n"
		if got != want || rejected != (wire.Rejected{}) {
			t.Errorf("%s: got\n%s\nwant\n%s\nleft out %v", c.in, got, want, rejected)
		}
	}
}

func TestUniqueKeys(t *testing.T) {
	got, rejected := lines(t, wire.Keys, `{"keys":[{"f":"checkout_v2","ks":["a",7,null]},{"k":"u","fs":["x","y"]},{"f":"none","ks":[]}]}`, wire.Facts{SDK: "x"})
	about := `,"environmentId":"env-1","sdk":"x","sdkVersion":"","machineName":null,"machineIp":null,"receptionTimestamp":1795161900123}` + "\n"
	want := `{"kind":"uniqueKeys","splitName":"checkout_v2","keys":["a","7"]` + about + `{"kind":"uniqueKeys","key":"u","splitNames":["x","y"]` + about
	if got != want || rejected != (wire.Rejected{wire.NoKey: 1}) {
		t.Errorf("got\n%s\nleft out %v", got, rejected)
	}
	// Many keys of one flag take several lines, and no key is lost.
	keys := strings.Repeat(`"`+strings.Repeat("k", 99)+`",`, 5000)
	got, _ = lines(t, wire.Keys, `{"keys":[{"f":"f","ks":[`+strings.TrimSuffix(keys, ",")+`]}]}`, wire.Facts{MaxLine: 128 << 10})
	if n := strings.Count(got, "kkk\""); n != 5000 || strings.Count(got, "\n") != 8 {
		t.Errorf("%d keys in %d lines", n, strings.Count(got, "\n"))
	}
}

func TestOneBadEntryLeavesItsNeighbours(t *testing.T) {
	good := `{"k":"u","t":"on","m":1}`
	deep := strings.Repeat("[", 512) + strings.Repeat("]", 512)
	for _, c := range []struct {
		name string
		kind wire.Kind
		body string
		want wire.Rejected
		good int
	}{
		{"impressions", wire.Impressions, `[{"f":"a","i":[` + good + `,7,{"t":"on"},{"k":"u"},{"k":{},"t":"on"},` + good + `]},7,{"f":"b"},{"i":[` + good + `,` + good + `]},{"f":"c","i":[` + good + `]}]`,
			wire.Rejected{wire.NotAnObject: 3, wire.NoKey: 2, wire.NoTreatment: 1, wire.NoFlag: 2}, 3},
		{"a name without end", wire.Impressions, `[{"f":"` + strings.Repeat("a", 600) + `","i":[` + good + `]}]`, wire.Rejected{wire.NoFlag: 1}, 0},
		{"too large", wire.Impressions, `[{"f":"a","i":[` + good + `,{"k":"u","t":"on","r":"` + strings.Repeat("x", 2000) + `"},{"k":"u","t":"on","r":"` + strings.Repeat("x", 900) + `"},` + good + `]}]`, wire.Rejected{wire.TooLarge: 2}, 2},
		{"events", wire.Events, `[null,{"key":"u"},{"eventTypeId":"e"},{"key":"u","eventTypeId":"e","properties":` + deep + `},{"key":"u","eventTypeId":"e","properties":` + deep[1:len(deep)-1] + `}]`,
			wire.Rejected{wire.NotAnObject: 1, wire.NoEventType: 1, wire.NoKey: 1, wire.TooDeep: 1}, 1},
		{"counts", wire.Counts, `{"pf":[7,{"f":"a"},{"rc":1},{"f":"a","rc":1.0}]}`, wire.Rejected{wire.NotAnObject: 1, wire.NoCount: 1, wire.NoFlag: 1}, 1},
		{"keys", wire.Keys, `{"keys":[7,{"f":"a"},{"ks":["u"]},{"k":null,"fs":["u"]},{"f":"a","ks":["u"]}]}`, wire.Rejected{wire.NotAnObject: 2, wire.NoFlag: 1, wire.NoKey: 1}, 1},
		{"another form", wire.Impressions, `{"a":1}`, wire.Rejected{wire.NotAnObject: 1}, 0},
		{"no counts", wire.Counts, `{}`, wire.Rejected{wire.NotAnObject: 1}, 0},
		{"nothing", wire.Impressions, `[]`, wire.Rejected{}, 0},
	} {
		max := 0
		if c.name == "too large" {
			max = 1000
		}
		got, rejected := lines(t, c.kind, c.body, wire.Facts{MaxLine: max})
		if n := strings.Count(got, "\n"); n != c.good || rejected != c.want {
			t.Errorf("%s: %d lines, left out %v, want %d and %v\n%s", c.name, n, rejected, c.good, c.want, got)
		}
	}
}

func TestListenerOfTheSynchronizer(t *testing.T) {
	body := `{"impressions":[{"testName":"checkout_v2","keyImpressions":[{"keyName":"u","treatment":"on","time":5,"changeNumber":6,"label":"l","bucketingKey":"","pt":4,"properties":"{}"}]}],"sdkVersion":"go-6.8.1","machineIP":"NA","machineName":"host-1"}`
	got, _ := lines(t, wire.Impressions, body, wire.Facts{})
	want := `{"key":"u","label":"l","treatment":"on","splitName":"checkout_v2","splitVersion":6,"properties":"{}","environmentId":"env-1","trafficTypeId":"tt-user","sdk":"go","sdkVersion":"6.8.1",` +
		`"machineName":"host-1","machineIp":null,"timestamp":5,"receptionTimestamp":1795161900123,"bucketingKey":"","previousTime":4}` + "\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTrafficTypesAndWhatIsUnknown(t *testing.T) {
	var told []string
	f := wire.Facts{Unknown: func(name []byte, tt bool, n int) { told = append(told, fmt.Sprintf("%s %v %d", name, tt, n)) }}
	one := `{"k":"u","t":"on"}`
	got, _ := lines(t, wire.Impressions, `[{"f":"served","i":[`+one+`]},{"f":"new\u00e9","i":[`+one+`,`+one+`]},{"f":"lost","i":[`+one+`]}]`, f)
	got2, _ := lines(t, wire.Events, `[{"key":"u","eventTypeId":"e","trafficTypeName":"visitor"},{"key":"u","eventTypeId":"e","trafficTypeName":"account"}]`, f)
	var ids []string
	for line := range strings.Lines(got + got2) {
		var row struct{ TrafficTypeID string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.TrafficTypeID)
	}
	if s := strings.Join(ids, ","); s != "tt-account,,,,,tt-account" {
		t.Errorf("ids %s", s)
	}
	if s := strings.Join(told, ";"); s != "newé false 2;lost false 1;visitor true 1" {
		t.Errorf("told %s", s)
	}
}

func TestSplitSDK(t *testing.T) {
	for in, want := range map[string][2]string{
		"nodejs-11.11.2": {"nodejs", "11.11.2"}, "react-native-1.2.0": {"react-native", "1.2.0"}, "dotnet_core-7.11.0-rc1": {"dotnet_core", "7.11.0-rc1"},
		"go": {"go", ""}, "": {}, "-1": {"", "1"}, "a-": {"a-", ""},
	} {
		if sdk, version := wire.SplitSDK(in); sdk != want[0] || version != want[1] {
			t.Errorf("%q: %q %q", in, sdk, version)
		}
	}
}

func TestOpenRefusesWhatIsNoJSON(t *testing.T) {
	for in, want := range map[string]string{"": "empty", " \n": "empty", `[{"f":`: "byte 6", "[}": "byte 2", "[] []": "byte 4", "nul": "byte 3"} {
		_, err := wire.Open([]byte(in))
		var e *wire.Error
		if !errors.As(err, &e) || problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Whatever the room, the lines are the same, and none is longer than it must be.
func TestAppendInParts(t *testing.T) {
	body := `[{"f":"a","i":[` + strings.TrimSuffix(strings.Repeat(`{"k":"u","t":"on","m":1},7,`, 50), ",") + `]},{"f":"b","i":[{"k":"v","t":"off","m":2}]}]`
	whole, rejected := lines(t, wire.Impressions, body, wire.Facts{})
	for _, room := range []int{0, 1, 250, 1000, 5000} {
		var w wire.Writer
		w.Begin(wire.Impressions, []byte(body), wire.Facts{Split: environment, Received: received})
		var all strings.Builder
		parts := 0
		for more := true; more; parts++ {
			var part []byte
			part, more = w.Append(make([]byte, 0, room), room)
			if len(part) > room && strings.Count(string(part), "\n") > 1 {
				t.Errorf("room %d: %d bytes", room, len(part))
			}
			all.Write(part)
		}
		if all.String() != whole || w.Rejected() != rejected || w.Lines() != 51 || parts < 2 {
			t.Errorf("room %d: %d parts, %d lines, left out %v", room, parts, w.Lines(), w.Rejected())
		}
	}
}

func TestNothingIsAllocatedForAnEntry(t *testing.T) {
	var w wire.Writer
	f := wire.Facts{Split: environment, Received: received, SDK: "nodejs-11.11.2"}
	dst := make([]byte, 0, 1<<20)
	allocs := func(body string, kind wire.Kind) float64 {
		return testing.AllocsPerRun(100, func() {
			w.Begin(kind, []byte(body), f)
			dst, _ = w.Append(dst[:0], 1<<20)
		})
	}
	one, ev := `{"k":"user-1","t":"on","m":1795161717149,"c":1700000000000,"r":"default rule","b":"bk2","pt":1795161717148}`, `{"key":"u","trafficTypeName":"user","eventTypeId":"e","value":1.5,"timestamp":1795161717149,"properties":{"a":1}}`
	for name, c := range map[string]struct {
		few, many string
		kind      wire.Kind
	}{
		"impressions": {`[{"f":"a","i":[` + one + `]}]`, `[{"f":"a","i":[` + strings.TrimSuffix(strings.Repeat(one+",", 1000), ",") + `]}]`, wire.Impressions},
		"events":      {`[` + ev + `]`, `[` + strings.TrimSuffix(strings.Repeat(ev+",", 1000), ",") + `]`, wire.Events},
	} {
		if few, many := allocs(c.few, c.kind), allocs(c.many, c.kind); many > few {
			t.Errorf("%s: %v allocations for one, %v for a thousand", name, few, many)
		}
	}
}
