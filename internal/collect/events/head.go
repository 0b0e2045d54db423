package events

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"strm/internal/ingest"
	"strm/internal/problem"
)

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
