package rawlog

import (
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func clock(t *testing.T, s string) int64 {
	t.Helper()
	v, err := time.Parse("2006-01-02T15:04:05.999", s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UnixMilli()
}

// Received, sent and original times of calls whose corrected time is known.
func TestCorrectedTimes(t *testing.T) {
	for _, c := range []struct{ received, sent, said, want string }{
		{"2022-01-02T03:19:12.516", "2022-01-02T03:20:52.362", "2022-01-02T03:20:45.244", "2022-01-02T03:19:05.398"},
		{"2022-01-02T01:41:06.240", "2022-01-02T01:41:05.019", "2022-01-02T01:41:05.000", "2022-01-02T01:41:06.221"},
		{"2026-11-20T08:00:20.203", "2026-11-20T08:00:20.181", "2026-11-20T08:00:20.165", "2026-11-20T08:00:20.187"},
		// Clocks that are no clocks: the sums hold or what was said stays.
		{"2026-11-20T08:00:20.203", "9999-12-31T23:59:59.999", "9999-12-31T23:59:59.998", "2026-11-20T08:00:20.202"},
		{"2026-11-20T08:00:20.203", "0000-01-01T00:00:00", "9999-12-31T23:59:59.999", "9999-12-31T23:59:59.999"},
		{"2026-11-20T08:00:20.203", "9999-12-31T23:59:59.999", "0000-01-01T00:00:00", "0000-01-01T00:00:00"},
	} {
		got := corrected(clock(t, c.received), at(clock(t, c.sent)), at(clock(t, c.said)))
		if want := at(clock(t, c.want)); got != want {
			t.Errorf("%+v: got %s", c, appendTime(nil, got.ms))
		}
	}
	received, said := clock(t, "2026-11-20T08:00:20.203"), at(clock(t, "2024-01-02T03:04:05.678"))
	if got := corrected(received, moment{}, said); got != said {
		t.Errorf("without sentAt: %v", got)
	}
	if got := corrected(received, said, moment{}); got.ms != received {
		t.Errorf("without timestamp: %v", got)
	}
}

func TestParseTime(t *testing.T) {
	for s, want := range map[string]string{
		"2026-11-20T08:00:20.165Z":            "2026-11-20T08:00:20.165Z",
		"2026-11-20T07:58:30.028789253Z":      "2026-11-20T07:58:30.028Z",
		"1969-12-31T23:59:59.9999Z":           "1969-12-31T23:59:59.999Z",
		"2026-11-20T10:00:20.165123+02:00":    "2026-11-20T08:00:20.165Z",
		"2026-11-20T08:00:20+00:00":           "2026-11-20T08:00:20.000Z",
		"2026-11-20T02:30:20.5-0530":          "2026-11-20T08:00:20.500Z",
		"2026-11-20T10:00:20,5+02":            "2026-11-20T08:00:20.500Z",
		"2026-11-20 08:00:00":                 "2026-11-20T08:00:00.000Z",
		"2026-11-20 08:00:00 UTC":             "2026-11-20T08:00:00.000Z",
		"2026-11-20 10:00:00 +0200":           "2026-11-20T08:00:00.000Z",
		"2026-11-20t08:00z":                   "2026-11-20T08:00:00.000Z",
		"2026-11-20":                          "2026-11-20T00:00:00.000Z",
		"2016-12-31T23:59:60Z":                "2017-01-01T00:00:00.000Z",
		"2000-02-29T00:00:00Z":                "2000-02-29T00:00:00.000Z",
		"0000-01-01T00:00:00Z":                "0000-01-01T00:00:00.000Z",
		"9999-12-31T23:59:59.9999999999999Z":  "9999-12-31T23:59:59.999Z",
		"1795161463":                          "2026-11-20T07:57:43.000Z",
		"1795161463.6479":                     "2026-11-20T07:57:43.647Z",
		"1795161463647":                       "2026-11-20T07:57:43.647Z",
		"100000000000":                        "1973-03-03T09:46:40.000Z",
		"99999999999":                         "5138-11-16T09:46:39.000Z",
		"0000-01-01T00:00:00+00:01":           "",
		"9999-12-31T23:59:59-00:01":           "",
		"253402300800000":                     "", // the first millisecond of the year 10000
		"1900-02-29T00:00:00Z":                "",
		"2026-13-01T00:00:00Z":                "",
		"2026-00-01T00:00:00Z":                "",
		"2026-04-31T00:00:00Z":                "",
		"2026-11-20T24:00:00Z":                "",
		"2026-11-20T08:60:00Z":                "",
		"2026-11-20T08:00:61Z":                "",
		"2026-11-20T08:00:00.Z":               "",
		"2026-11-20T08:00:00+24:00":           "",
		"2026-11-20T08:00:00+02:":             "",
		"2026-11-20T08:00:00 ":                "",
		"2026-11-20T08:00:00Zx":               "",
		"2026-11-20T":                         "",
		"2026-11-20T08":                       "",
		"2026-1-2T08:00:00Z":                  "",
		"+2026-11-20T08:00:00Z":               "",
		"Fri, 20 Nov 2026 08:00:00 GMT":       "",
		"now":                                 "",
		"":                                    "",
		"0":                                   "",
		"42":                                  "",
		"-1795161463":                         "",
		"1.795161463e9":                       "",
		"1795161463.":                         "",
		"1795161463647000000":                 "",
		"99999999999999999999999999999999999": "",
	} {
		got := ""
		if m := parseTime([]byte(s)); m.ok {
			got = string(appendTime(nil, m.ms))
		} else if m.ms != 0 && m.ms >= firstMoment && m.ms <= lastMoment {
			t.Errorf("%q: not ok, yet %v", s, m)
		}
		if want != "" {
			want = `"` + want + `"`
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

func TestTimesAreThoseOfTheStandardLibrary(t *testing.T) {
	check := func(t interface{ Errorf(string, ...any) }, ms int64) {
		std := time.UnixMilli(ms).UTC()
		text := appendTime(nil, ms)
		if want := std.Format(`"2006-01-02T15:04:05.000Z"`); string(text) != want {
			t.Errorf("%d: printed %s, want %s", ms, text, want)
		}
		if m := parseTime(text[1 : len(text)-1]); m != (moment{ms, true}) {
			t.Errorf("%s: read as %+v, want %d", text, m, ms)
		}
	}
	for ms := int64(firstMoment); ms <= lastMoment; ms += day { // every day there is
		check(t, ms)
	}
	check(t, lastMoment)
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.Int64Range(firstMoment, lastMoment).Draw(t, "ms"))
	})
}

// rfc3339 is stricter than package time, which takes hours of one digit and
// offsets of 24 hours.
var rfc3339 = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`)

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-11-20T08:00:20.165Z", "2026-11-20 10:00 +0200", "1795161463.5", "2026-11-20"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := parseTime([]byte(s))
		if m.ok && (m.ms < firstMoment || m.ms > lastMoment) {
			t.Fatalf("%q: %d", s, m.ms)
		}
		// What has the form of RFC 3339 and is a time to the standard library is
		// read the same, in years that can be printed.
		std, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || !rfc3339.MatchString(s) || std.UTC().Year() < 0 || std.UTC().Year() > 9999 {
			return
		}
		if !m.ok || m.ms != std.UnixMilli() {
			t.Fatalf("%q: %+v, want %d", s, m, std.UnixMilli())
		}
	})
}
