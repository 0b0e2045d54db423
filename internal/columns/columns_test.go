package columns_test

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"strm/internal/columns"
	"strm/internal/problem"
)

func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2023-01-23T12:34:56Z":                "2023-01-23T12:34:56Z",
		"2023-01-23t12:34:56z":                "2023-01-23T12:34:56Z",
		"2023-01-23 12:34:56.5":               "2023-01-23T12:34:56.5Z",
		"2023-01-23T12:34":                    "2023-01-23T12:34:00Z",
		"2023-01-23T12:34:56.123456789-01:00": "2023-01-23T13:34:56.123456Z",
		"2023-01-23T12:34:56,25+0530":         "2023-01-23T07:04:56.25Z",
		"2023-01-23T12:34:56 +01":             "2023-01-23T11:34:56Z",
		"2023-01-23":                          "2023-01-23T00:00:00Z",
		"0001-01-01T00:00:00Z":                "0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999Z":         "9999-12-31T23:59:59.999999Z",
		"2000-02-29T00:00:00Z":                "2000-02-29T00:00:00Z",
		"1900-02-29":                          "", "2023-13-01": "", "2023-00-01": "", "2023-01-32": "", "2023-1-1": "", "": "", "12:34": "", "2023-01-23T": "", "2023-01-23T25:00": "",
		"2023-01-23T12:60": "", "2023-01-23T12:34:60Z": "", "2023-01-23T12:34:56.Z": "", "2023-01-23T12:34:56+1": "", "2023-01-23T12:34:56+19:00": "",
		"2023-01-23T12:34:56 ": "", "2023-01-23T12:34:56Zx": "", "2023-01-23x12:34:56": "", "２023-01-23": "",
	} {
		got, fit := columns.ToTimestamp([]byte(text))
		if want == "" {
			if fit == columns.Fits {
				t.Errorf("%q is %d", text, got)
			}
			continue
		}
		w, err := time.Parse(time.RFC3339Nano, want)
		if err != nil {
			t.Fatal(err)
		}
		if fit != columns.Fits || got != w.UnixMicro() {
			t.Errorf("%q: %v, %d, want %d", text, fit, got, w.UnixMicro())
		}
	}
	for d := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2500; d = d.AddDate(0, 0, 13) {
		if got, fit := columns.ToDate([]byte(d.Format(time.DateOnly))); fit != columns.Fits || int64(got)*86400 != d.Unix() {
			t.Fatalf("%v: %d, %v", d, got, fit)
		}
	}
	for text, want := range map[string]int64{"00:00": 0, "23:59:59.999999": 86_399_999_999, "01:00:00+02:00": 23 * 3600e6, "23:00-02:00": 3600e6, "x": -1, "24:00": -1, "2023-01-23": -1} {
		if got, fit := columns.ToTime([]byte(text)); (fit == columns.Fits) != (want >= 0) || want >= 0 && got != want {
			t.Errorf("%q: %d, %v", text, got, fit)
		}
	}
	if columns.FromMicros(-1) != -1 || columns.FromMicros(-1000) != -1 || columns.FromMicros(1999) != 1 {
		t.Error("milliseconds are rounded down")
	}
}

// number compares the conversions with strconv and exact arithmetic.
func number(t *testing.T, s string) {
	t.Helper()
	want, err := strconv.ParseFloat(s, 64)
	got, fit := columns.ToDouble([]byte(s))
	if err == nil && (fit != columns.Fits || math.Float64bits(got) != math.Float64bits(want)) {
		t.Errorf("%s is %v, %v, not %v", s, got, fit, want)
	}
	if err != nil && fit == columns.Fits {
		t.Errorf("%s is %v", s, got)
	}
	n, ifit := columns.ToInt64([]byte(s))
	if len(s) > 400 || strings.Contains(s, "e") && len(s)-strings.LastIndexAny(s, "eE") > 4 {
		return // not worth exact arithmetic
	}
	r, ok := new(big.Rat).SetString(s)
	switch {
	case !ok:
	case ifit == columns.Fits && (!r.IsInt() || r.Num().Cmp(big.NewInt(n)) != 0) && !strings.ContainsAny(s, ".eE"):
		t.Errorf("%s is %d", s, n)
	case r.IsInt() && r.Num().IsInt64() && ifit != columns.Fits && !strings.ContainsAny(s, ".eE"):
		t.Errorf("%s: %v", s, ifit)
	case r.IsInt() && !r.Num().IsInt64() && ifit != columns.TooLarge:
		t.Errorf("%s: %d, %v", s, n, ifit)
	}
}

var numbers = []string{
	"0", "-0", "-0.0", "1", "-1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999999999999",
	"1.5", "0.1", "0.30000000000000004", "123456789012345.5", "12345678901234.5", "999999999999999", "0.000000000000001", "1e39", "-2e39", "1e400", "1e-400", "5e-324", "1.7976931348623157e308", "50000.0000000000000001",
	"9007199254740993", "9007199254740993.0", "1e18", "1E2", "2.5e1", "18446744073709551616.0", "184467440737095516159e-1", "-", "", "x", "1.", ".5", "0x10", "1_000", "Infinity", "NaN", "+1",
}

func TestNumbers(t *testing.T) {
	for _, s := range numbers {
		if s != "0x10" && s != "1_000" && s != "Infinity" && s != "NaN" && s != "+1" && s != "1." && s != ".5" { // not JSON: need not be told
			number(t, s)
		}
	}
	for s, want := range map[string]columns.Fit{"5.0": columns.Fits, "5.5": columns.Unfit, "1e400": columns.TooLarge, "": columns.Unfit, "-": columns.Unfit, "NaN": columns.Unfit, "Infinity": columns.Unfit} {
		if _, fit := columns.ToInt64([]byte(s)); fit != want {
			t.Errorf("%q: %v", s, fit)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	for _, s := range numbers {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i := range len(s) {
			if !strings.ContainsRune("0123456789.-+eE", rune(s[i])) {
				columns.ToInt64([]byte(s))
				columns.ToDouble([]byte(s))
				return
			}
		}
		if len(s) == 0 || s[0] == '+' || s[0] == '.' || strings.HasSuffix(s, ".") || strings.Contains(s, ".e") || strings.Contains(s, ".E") || strings.Contains(s, "-.") {
			return
		}
		number(t, s)
	})
}

func FuzzSchema(f *testing.F) {
	for _, s := range []string{`{}`, `{"properties":{"a":{"type":["null","string"],"format":"date"}}}`, `{"properties":{"a":{"oneOf":[{"type":"object","properties":{"b":{}}},{"type":"array","items":[{"type":"integer"},{}]}]}}}`,
		`{"properties":{"a":{"strm_type":"map","additionalProperties":{"type":"integer"}}}}`, `{"properties":{"a":{"$ref":"WellKnownTypes.json#/definitions/Date"}}}`, `{"properties":{"a":{"anyOf":[]}}}`} {
		f.Add(s, `{"a":1}`)
	}
	f.Fuzz(func(t *testing.T, schema, event string) {
		for _, strict := range []bool{false, true} {
			fields, err := columns.Parse([]byte(schema), strict)
			if err != nil {
				if problem.KindOf(err) != problem.Invalid {
					t.Fatal(err)
				}
				continue
			}
			fields = columns.Named(fields, strict)
			seen := map[string]bool{}
			for _, c := range fields {
				if seen[c.Name] || c.Name == "" {
					t.Fatalf("name %q", c.Name)
				}
				seen[c.Name] = true
			}
			columns.NewLookup(fields).Read([]byte(event))
		}
		var finder columns.Finder
		finder.Add([]byte(event))
		finder.Fields()
	})
}

// null is as good as absent: nothing is known of such a column, and only strict
// minds. What can only be a mistake is refused.
func TestSchemasThatAreNone(t *testing.T) {
	for _, s := range []string{`null`, `{"type":"object","properties":null}`, `{"oneOf":null,"properties":null,"type":"array","items":null}`} {
		text := []byte(`{"properties":{"a":` + s + `,"b":{"type":"integer"}}}`)
		fields, err := columns.Parse(text, false)
		if err != nil || len(fields) != 2 || fields[0].Type.Kind != columns.JSON || fields[1].Type.Kind != columns.Int64 {
			t.Errorf("%s: %+v, %v", s, fields, err)
		}
		if _, err := columns.Parse(text, true); s[0] != '{' && problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s, strictly: %v", s, err)
		}
	}
	for _, s := range []string{`5`, `"string"`, `[]`} {
		if _, err := columns.Parse([]byte(`{"properties":{"a":`+s+`}}`), false); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", s, err)
		}
	}
	if fields, err := columns.Parse([]byte(`{"type":"object","properties":null}`), true); err != nil || len(fields) != 0 {
		t.Errorf("%v, %v", fields, err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{"spécial": "special", "a+1": "a_1", "1st": "_1st", "Foo.Bar": "Foo_Bar", "": "_", "日本": "__", "ﬁ": "fi", "_spøcial": "_sp_cial"} {
		if got := columns.Clean(in); got != want {
			t.Errorf("%q is %q, not %q", in, got, want)
		}
	}
}

func TestFound(t *testing.T) {
	for _, c := range []struct {
		values string
		want   columns.Kind
	}{
		{"null", columns.String}, {`"a" null`, columns.String}, {"true false null", columns.Bool}, {"1 -5 9223372036854775807", columns.Int64}, {"1 1.5", columns.Double},
		{"1.5 9007199254740992", columns.Double}, {"1.5 9007199254740993", columns.JSON}, {"1 9223372036854775808", columns.JSON}, {"1 true", columns.JSON}, {`1 "1"`, columns.JSON}, {"{}", columns.JSON}, {"[] null", columns.JSON},
		{"0.30000000000000004", columns.Double}, {"50000.0000000000000001", columns.JSON}, {"1e400", columns.JSON}, {"1e5", columns.Double}, {"-1.2345678901234567e-05", columns.Double},
	} {
		var forth, back columns.Finder
		values := strings.Fields(c.values)
		for i := range values {
			forth.Add([]byte(fmt.Sprintf(`{"a":%s}`, values[i])))
			back.Add([]byte(fmt.Sprintf(`{"\u0061":%s}`, values[len(values)-1-i])))
		}
		for _, f := range []*columns.Finder{&forth, &back} {
			if fs := f.Fields(); len(fs) != 1 || fs[0].Name != "a" || fs[0].Type.Kind != c.want {
				t.Errorf("%s: %+v, %v", c.values, fs, fs[0].Type.Kind)
			}
		}
	}
}

// Only the empty text may stand for null, and only where a column may be null.
func TestEmptyTextAsNull(t *testing.T) {
	fields, err := columns.Parse([]byte(`{"properties":{"a":{"type":"string","strm_null":""},"b":{"type":"string","strm_null":"","strm_required":true},"c":{"type":"integer","strm_null":""}}}`), true)
	if err != nil || len(fields) != 3 || !fields[0].Blank || fields[1].Blank || fields[2].Blank {
		t.Errorf("%+v, %v", fields, err)
	}
	for _, v := range []string{`"NA"`, "null", "0"} {
		_, err := columns.Parse([]byte(`{"properties":{"a":{"type":"string","strm_null":`+v+`}}}`), true)
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("strm_null %s: %v", v, err)
		}
	}
}
