package segment_test

import (
	"encoding/base64"
	"image/gif"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"strm/internal/collect/segment"
	"strm/internal/ingest"
)

func isPixel(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/gif" || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	g, err := gif.Decode(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if s := g.Bounds().Size(); s.X != 1 || s.Y != 1 {
		t.Errorf("the picture has %v", s)
	}
	if _, _, _, a := g.At(0, 0).RGBA(); a != 0 {
		t.Error("the picture can be seen")
	}
}

func TestPixel(t *testing.T) {
	// Bytes that need the two letters in which the alphabets differ.
	call := `{"writeKey":"right","userId":"025pikachu025","event":"Email Opened ÿÿÿ???>>>","properties":{"subject":"The Electric Daily"}}`
	std, raw := base64.StdEncoding, base64.RawStdEncoding
	if s := std.EncodeToString([]byte(call)); !strings.ContainsAny(s, "+") || !strings.HasSuffix(s, "=") {
		t.Fatalf("the call does not try what it should: %s", s)
	}
	for name, query := range map[string]string{
		"standard":      "data=" + url.QueryEscape(std.EncodeToString([]byte(call))),
		"raw":           "data=" + url.QueryEscape(raw.EncodeToString([]byte(call))),
		"not escaped":   "data=" + std.EncodeToString([]byte(call)),
		"URL alphabet":  "data=" + base64.URLEncoding.EncodeToString([]byte(call)),
		"raw URL":       "data=" + base64.RawURLEncoding.EncodeToString([]byte(call)),
		"flat":          "writeKey=right&userId=025pikachu025&event=" + url.QueryEscape("Email Opened ÿÿÿ???>>>") + "&properties.subject=The+Electric%20Daily",
		"flat, unasked": "properties.subject=The+Electric%20Daily&event=" + url.QueryEscape("Email Opened ÿÿÿ???>>>") + "&userId=025pikachu025&writeKey=right&userId=second",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, segment.Deps{}, ingest.Options{})
			isPixel(t, r.send("GET", "/v1/pixel/track?"+query, "", "Authorization", ""))
			lines := r.lines()
			if len(lines) != 1 {
				t.Fatalf("%d lines; %s", len(lines), r.seen.take())
			}
			l := lines[0]
			if l["type"] != "track" || l["userId"] != "025pikachu025" || l["event"] != "Email Opened ÿÿÿ???>>>" || l["channel"] != "client" ||
				!reflect.DeepEqual(l["properties"], map[string]any{"subject": "The Electric Daily"}) || !reflect.DeepEqual(l["context"], map[string]any{"ip": "203.0.113.9"}) {
				t.Errorf("%v", l)
			}
			if id, _ := l["messageId"].(string); len(id) != 36 {
				t.Errorf("message id %q", id)
			}
			if got := r.seen.take(); got != "accepted web 1; answered web stored" {
				t.Errorf("told %s", got)
			}
		})
	}
}

func TestPixelIsAPictureWhateverHappens(t *testing.T) {
	deep := strings.Repeat("a.", 17) + "b=1"
	for _, c := range []struct{ query, told string }{
		{"", "answered  unauthorized; refused  unauthorized"},
		{"writeKey=wrong&userId=u&event=e", "answered  unauthorized; refused  unauthorized"},
		{"writeKey=events&userId=u&event=e", "answered other forbidden; refused web forbidden"},
		{"writeKey=right&event=e", "answered web dropped; rejected web no_user 1"},
		{"data=%25%25", "answered  invalid; refused  invalid"},
		{"data=e30x", "answered  invalid; refused  invalid"},
		{"a=%zz", "answered  invalid; refused  invalid"},
		{"a=1&a.b=2", "answered  invalid; refused  invalid"},
		{deep, "answered  invalid; refused  invalid"},
		{"data=" + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 10_000))), "answered  invalid; refused  invalid"},
	} {
		r := newRig(t, segment.Deps{}, ingest.Options{})
		isPixel(t, r.send("GET", "/v1/pixel/track?"+c.query, "", "Authorization", ""))
		if got := r.seen.take(); got != c.told || r.stored() != "" {
			t.Errorf("%s: told %s, want %s", c.query, got, c.told)
		}
	}
}
