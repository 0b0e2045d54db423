package notice

import "testing"

func TestVersion(t *testing.T) {
	for want, f := range map[string]File{
		"v:3HL4k": {VersionID: "3HL4k", ETag: "d41d"},
		"e:d41d":  {ETag: "d41d"},
		"e:aa-2":  {VersionID: "null", ETag: "aa-2"},
	} {
		if got := f.Version(); got != want {
			t.Errorf("version %q of %+v, want %q", got, f, want)
		}
	}
}
