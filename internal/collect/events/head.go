package events

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"strm/internal/ingest"
	"strm/internal/problem"
)

// The content encodings.
const (
	plain = "identity"
	gz    = "gzip"
	zst   = "zstd"
)

// encoding returns the content encoding, empty for one that is not known.
func encoding(r *http.Request) string {
	switch strings.ToLower(strings.TrimSpace(strings.Join(r.Header.Values("Content-Encoding"), ","))) {
	case "", plain:
		return plain
	case gz, "x-gzip":
		return gz
	case zst:
		return zst
	}
	return ""
}

// checkHead refuses what can be refused before the body is read.
func (h *Handler) checkHead(r *http.Request) *refusal {
	enc := encoding(r)
	if enc == "" {
		return &refusal{status: http.StatusUnsupportedMediaType, kind: problem.Invalid, acceptEncoding: true,
			detail: "content encoding " + quote(r.Header.Get("Content-Encoding")) + " is not supported: use gzip, zstd or none"}
	}
	if r.ContentLength > h.Limits.MaxWire {
		return tooLarge("the body has "+strconv.FormatInt(r.ContentLength, 10)+" bytes as sent", h.Limits.MaxWire)
	}
	if enc == plain && r.ContentLength > h.Limits.MaxBody {
		return tooLarge("the body has "+strconv.FormatInt(r.ContentLength, 10)+" bytes", h.Limits.MaxBody)
	}
	return nil
}

func tooLarge(what string, limit int64) *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, kind: problem.TooLarge,
		detail: what + ", more than the limit of " + strconv.FormatInt(limit, 10) + " bytes: send it in several requests"}
}

// formOf reads the form of the body from its content type. Only the types that
// cannot be an array say anything; many clients send a default type.
func formOf(contentType string) ingest.Form {
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ingest.FormAuto
	}
	switch t {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return ingest.FormNDJSON
	}
	return ingest.FormAuto
}

const maxKey = 255

// idempotencyKey reads the Idempotency-Key header: up to 255 visible ASCII
// characters, or such a string in quotes (a structured-field string, as the
// IETF draft writes it). Both spellings of a key are the same key.
func idempotencyKey(head http.Header) (string, *refusal) {
	vals := head.Values("Idempotency-Key")
	if len(vals) == 0 {
		return "", nil
	}
	bad := func(why string) (string, *refusal) {
		return "", &refusal{status: http.StatusBadRequest, kind: problem.Invalid, detail: "Idempotency-Key: " + why}
	}
	if len(vals) > 1 {
		return bad("send the header once")
	}
	key := vals[0]
	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquote(key); !ok {
			return bad(`the quoted key is not closed, or holds a backslash before something other than \ or "`)
		}
	}
	if key == "" {
		return bad("the key is empty")
	}
	if len(key) > maxKey {
		return bad("the key has " + strconv.Itoa(len(key)) + " bytes, more than the limit of 255")
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return bad("only visible ASCII characters are allowed, without spaces")
		}
	}
	return key, nil
}

// unquote reads a structured-field string (RFC 8941, 3.3.3).
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			i++
			if i >= len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", false
}

// checkSerialisation refuses what POST /event cannot read. Avro's JSON
// encoding of a record is a JSON object and passes.
func checkSerialisation(typ string) *refusal {
	switch t := strings.ToLower(strings.TrimSpace(typ)); t {
	case "", "application/json", "application/x-avro-json":
		return nil
	case "application/x-avro-binary":
		return binary()
	default:
		return &refusal{status: http.StatusUnsupportedMediaType, kind: problem.Invalid,
			detail: "Strm-Serialization-Type " + quote(typ) + " is not supported: send the event as JSON"}
	}
}

// looksBinary refuses a body that cannot be JSON text at all.
func looksBinary(body []byte) *refusal {
	for i, c := range body {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c < ' ' || c == 0x7f, c > '~' && (i > 0 || len(body) < 3 || string(body[:3]) != "\xef\xbb\xbf"):
			return binary()
		}
		return nil
	}
	return nil
}

func binary() *refusal {
	return &refusal{status: http.StatusUnsupportedMediaType, kind: problem.Invalid,
		detail: "Avro binary events are not supported: send the event as JSON (Strm-Serialization-Type: application/json)"}
}

// quote shows a name from a request, cut short.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strconv.QuoteToASCII(s)
}
