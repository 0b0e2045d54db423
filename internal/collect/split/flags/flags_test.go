package flags_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"strm/internal/collect/split/flags"
	"strm/internal/problem"
	"strm/internal/stream"
)

var noon = time.UnixMilli(1795161900123)

func next(t *testing.T, old stream.FlagSet, file string) stream.FlagSet {
	t.Helper()
	s, err := flags.Next(old, []byte(file), noon)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFormsOfAFile(t *testing.T) {
	one := `[{"name":"a","trafficTypeName":"user","changeNumber":1700000000000},{"name":"b"}]`
	for _, file := range []string{
		one, " " + strings.ReplaceAll(one, ",", " ,\n") + "\n", `{"splits":` + one + `,"since":-1,"till":5}`,
		`{"ff":{"d":` + one + `,"s":-1,"t":5},"rbs":{"d":[],"s":-1,"t":5}}`, `{"ff":{"d":` + one + `}}`,
	} {
		s := next(t, stream.FlagSet{}, file)
		want := stream.FlagSet{Version: noon.UnixMilli(), Flags: json.RawMessage(one), Types: map[string]string{"a": "user", "b": ""}}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("%s: %+v", file, s)
		}
	}
	for file, want := range map[string]string{
		"{": "not JSON", "7": "neither", "{}": "neither", `[7]`: "flags must be an array of objects", `[{"name":7}]`: "flags must be an array of objects", `[{}]`: "flag 1 has no name", `[{"name":"a"},{"name":"a"}]`: `"a" is there twice`,
		`{"splits":{}}`: "flags must be an array of objects", `{"ff":7}`: "neither", `{"ff":{"d":[]},"rbs":{"d":[{}]}}`: "segment 1 has no name",
	} {
		if _, err := flags.Next(stream.FlagSet{}, []byte(file), noon); problem.KindOf(err) != problem.Invalid || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// An SDK follows every change, and is told nothing while there is none.
func TestAnSDKFollows(t *testing.T) {
	sdk := map[string]string{} // name to definition
	since := int64(-1)
	poll := func(s stream.FlagSet) (changed int) {
		t.Helper()
		for _, legacy := range []bool{false, true} {
			var a struct {
				FF, RBS struct {
					D    []map[string]any
					S, T *int64
				}
				Splits      []map[string]any
				Since, Till *int64
			}
			text := flags.AppendChanges(nil, &s, since, since)
			if legacy {
				text = flags.AppendSplits(nil, &s, since)
			}
			if err := json.Unmarshal(text, &a); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if legacy {
				a.FF.D, a.FF.S, a.FF.T = a.Splits, a.Since, a.Till
			} else if a.RBS.D == nil || *a.RBS.S != since || *a.RBS.T != *a.FF.T {
				t.Fatalf("%s", text)
			}
			if a.FF.D == nil || *a.FF.S != since {
				t.Fatalf("%s", text)
			}
			if !legacy {
				continue // the older form moves the SDK on; both must say the same
			}
			for _, d := range a.FF.D {
				name, _ := d["name"].(string)
				if d["status"] == "ARCHIVED" {
					delete(sdk, name)
				} else {
					sdk[name], _ = d["v"].(string)
				}
			}
			changed, since = len(a.FF.D), *a.FF.T
		}
		return changed
	}
	var s stream.FlagSet
	if n := poll(s); n != 0 || since != -1 {
		t.Fatalf("%d flags of nothing, till %d", n, since)
	}
	for _, step := range []struct {
		file string
		want map[string]string
	}{
		{`[{"name":"a","v":"1"},{"name":"b","v":"1"}]`, map[string]string{"a": "1", "b": "1"}},
		{`[{"name":"a","v":"2"}]`, map[string]string{"a": "2"}},
		{`[{"name":"c","v":"1"}]`, map[string]string{"c": "1"}},
		{`[{"name":"b","v":"3"}]`, map[string]string{"b": "3"}},
		{``, map[string]string{}},
		{`[{"name":"a","v":"4"}]`, map[string]string{"a": "4"}},
	} {
		before := s.Version
		s = next(t, s, step.file)
		if s.Version <= before {
			t.Fatalf("%s: version %d after %d", step.file, s.Version, before)
		}
		poll(s)
		if !reflect.DeepEqual(sdk, step.want) {
			t.Fatalf("%s: the SDK has %v", step.file, sdk)
		}
		same := next(t, s, strings.ReplaceAll(step.file, ",", " , "))
		if !reflect.DeepEqual(same, s) {
			t.Fatalf("%s: the same file makes %+v of %+v", step.file, same, s)
		}
		if n := poll(s); n != 0 {
			t.Fatalf("%s: %d changes without one", step.file, n)
		}
	}
	// One that never had them hears nothing of those that are gone.
	if text := string(flags.AppendChanges(nil, &s, -1, -1)); strings.Contains(text, "ARCHIVED") || len(s.Gone) != 2 {
		t.Errorf("%s, gone %v", text, s.Gone)
	}
}

func TestSegmentsThatAreGone(t *testing.T) {
	s := next(t, stream.FlagSet{}, `{"ff":{"d":[]},"rbs":{"d":[{"name":"s1"},{"name":"s2"}]}}`)
	if flags.Count(s.Segments) != 2 || flags.Count(s.Flags) != 0 {
		t.Errorf("%+v", s)
	}
	v := s.Version
	s = next(t, s, `{"ff":{"d":[]},"rbs":{"d":[{"name":"s2"}]}}`)
	if text := string(flags.AppendChanges(nil, &s, v, v)); !strings.Contains(text, `"rbs":{"d":[{"name":"s2"},{"name":"s1",`) || !json.Valid([]byte(text)) {
		t.Errorf("%s", text)
	}
}

func TestWhatIsGoneIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 6000 {
		b.WriteString(`,{"name":"f` + time.Duration(i).String() + `"}`)
	}
	first := "[" + b.String()[1:] + "]"
	s := next(t, stream.FlagSet{}, first)
	s = next(t, s, strings.ReplaceAll(first, `"f`, `"g`))
	s = next(t, s, "")
	if len(s.Gone) != 10_000 {
		t.Errorf("%d names", len(s.Gone))
	}
}
