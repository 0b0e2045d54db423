package server

import (
	"net/url"
	"testing"
)

// SNS sends by https only, and the path of a proxy belongs to the address.
func TestNoticeURL(t *testing.T) {
	for public, want := range map[string]string{
		"https://strm.example.org":       "https://strm.example.org/notices/",
		"https://strm.example.org/":      "https://strm.example.org/notices/",
		"https://example.org:8443/strm/": "https://example.org:8443/strm/notices/",
		"http://strm.example.org":        "/notices/",
	} {
		u, err := url.Parse(public)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Server{public: u}).noticeURL(); got != want {
			t.Errorf("%s: %q, want %q", public, got, want)
		}
	}
	if got := (&Server{}).noticeURL(); got != "/notices/" {
		t.Errorf("without a public URL: %q", got)
	}
}
