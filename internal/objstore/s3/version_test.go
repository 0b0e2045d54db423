package s3_test

import (
	"io"
	"net/http"
	"testing"

	"strm/internal/objstore"
)

// What S3 says of versions, as its documentation has it.
func TestVersionsOnTheWire(t *testing.T) {
	const etag = `"d41d8cd98f00b204e9800998ecf8427e"`
	var ignores bool // If-Match, and version ids
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(status int, code string) {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>said so</Message></Error>`)
		}
		version := r.URL.Query().Get("versionId")
		switch {
		case r.URL.Query().Has("location"):
			_, _ = io.WriteString(w, `<LocationConstraint/>`)
			return
		case ignores:
		case version == "" && r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != etag:
			fail(http.StatusPreconditionFailed, "PreconditionFailed")
			return
		case version != "" && r.Header.Get("If-Match") != "":
			t.Error("a version was asked for with a condition")
		case version == "gone":
			fail(http.StatusNotFound, "NoSuchVersion")
			return
		case version == "secret":
			fail(http.StatusForbidden, "AccessDenied")
			return
		case version == "cold":
			fail(http.StatusForbidden, "InvalidObjectState")
			return
		}
		if version == "" {
			version = "null"
		}
		if !ignores {
			w.Header().Set("X-Amz-Version-Id", version)
		}
		w.Header().Set("ETag", etag)
		w.Header().Set("Last-Modified", "Mon, 02 Mar 2026 10:00:00 GMT")
		_, _ = io.WriteString(w, "body")
	})
	b := open(t, config(listen(t, h)))
	for _, c := range []struct {
		name, version, etag string
		ignores             bool
		reason              objstore.Reason
		action, want        string
	}{
		{name: "a version", version: "v1", etag: etag, want: "v1"},
		{name: "without versions", etag: objstore.BareETag(etag)},
		{name: "any"},
		{name: "replaced", etag: "0", reason: objstore.Replaced},
		{name: "version gone", version: "gone", etag: etag, reason: objstore.NoObject},
		{name: "denied", version: "secret", reason: objstore.Denied, action: "s3:GetObjectVersion on arn:aws:s3:::" + bucketName + "/k"},
		{name: "archived", version: "cold", reason: objstore.BadRequest},
		{name: "a store that ignores the condition", etag: "0", ignores: true, reason: objstore.Replaced},
		{name: "a store that ignores versions", version: "v1", etag: "0", ignores: true, reason: objstore.Replaced},
	} {
		t.Run(c.name, func(t *testing.T) {
			ignores = c.ignores
			body, info, err := b.OpenVersion(t.Context(), "k", c.version, c.etag)
			if c.reason != "" {
				if e := objstore.AsError(err); err == nil || e.Reason != c.reason || e.Action != c.action || e.Outcome != objstore.Rejected {
					t.Fatalf("%v (%+v), want reason %s", err, objstore.AsError(err), c.reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil || string(got) != "body" || info.VersionID != c.want || info.Size != 4 || body.Close() != nil {
				t.Errorf("%q, %v, %+v", got, err, info)
			}
		})
	}
	ignores = false
	if info, err := b.Stat(t.Context(), "k"); err != nil || info.VersionID != "" {
		t.Errorf("the version called null: %+v, %v", info, err)
	}
}
