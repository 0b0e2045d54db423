package keyname_test

import (
	"strings"
	"testing"

	"strm/internal/keyname"
)

func TestNamesAreCleanedAsThePredecessorsDid(t *testing.T) {
	for name, want := range map[string][2]string{
		"users":                            {"users", "users"},
		"fake-stream":                      {"fake-stream", "fake_stream"},
		"stream_with:spécial:characters":   {"stream_with:special:characters", "stream_with:special:characters"},
		"stream_with:spe\u0301cial":        {"stream_with:special", "stream_with:special"},
		"_spøcial":                         {"_sp_cial", "_sp_cial"}, // ø does not come apart
		"stream_name_with_operator+1":      {"stream_name_with_operator+1", "stream_name_with_operator+1"},
		"a b\tc\\d\"e":                     {"a_b_c_d_e", "a_b_c_d_e"},
		"/!_.*')(&$@=;:+,?-":               {"/!_.*')(&$@=;:+,?-", "/!_.*')(&$@=;:+,?_"},
		"日本":                               {"__", "__"},
		"ﬁne①":                             {"fine1", "fine1"},
		"\xffx":                            {"_x", "_x"},
		"prefix_" + strings.Repeat("-", 3): {"prefix_---", "prefix____"},
	} {
		if got := keyname.Clean(name); got != want[0] {
			t.Errorf("%q: %q, want %q", name, got, want[0])
		}
		if got := keyname.CleanTarsal(name); got != want[1] {
			t.Errorf("%q, as Tarsal: %q, want %q", name, got, want[1])
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add("stream_with:spécial:characters")
	f.Fuzz(func(t *testing.T, name string) {
		for _, clean := range []func(string) string{keyname.Clean, keyname.CleanTarsal} {
			got := clean(name)
			for i := range len(got) {
				if got[i] < 0x21 || got[i] > 0x7e {
					t.Fatalf("%q became %q", name, got)
				}
			}
			if clean(got) != got {
				t.Fatalf("%q became %q, then %q", name, got, clean(got))
			}
		}
		if keyname.CleanTarsal(name) != strings.ReplaceAll(keyname.Clean(name), "-", "_") {
			t.Fatalf("%q: %q and %q", name, keyname.Clean(name), keyname.CleanTarsal(name))
		}
	})
}
