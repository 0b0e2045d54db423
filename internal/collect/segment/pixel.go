package segment

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/problem"
)

// gif is one transparent pixel.
const gif = "GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// pixel takes one call from an address in an e-mail. The answer is the picture
// whatever becomes of the call: nobody is there to read another.
func (h *Handler) pixel(w http.ResponseWriter, r *http.Request, e endpoint) {
	from, outcome, rf := h.takePixel(r, e)
	if rf != nil {
		h.tell(r, from, rf)
	} else {
		h.Observer.Answered(from.source.Name, outcome)
	}
	head := w.Header()
	head.Set("Content-Type", "image/gif")
	head.Set("Cache-Control", "no-store, private, max-age=0") // each look counts
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	_, _ = w.Write([]byte(gif)) // the reader has closed the mail
}

func (h *Handler) takePixel(r *http.Request, e endpoint) (from sender, outcome string, rf *answer.Refusal) {
	text, err := pixelCall(r.URL.RawQuery)
	if err != nil {
		return sender{}, "", answer.Invalid(problem.Invalid, "invalid_pixel", err.Error(), nil)
	}
	held, err := h.Ingester.Reserve(r.Context(), int64(len(text)))
	if err != nil {
		return sender{}, "", answer.Ingest(err)
	}
	defer held.Release()
	outcome, rf = h.store(r, e, text, &from, held)
	return from, outcome, rf
}

// pixelCall returns the call as JSON: that of the parameter data, or one made of
// the parameters.
func pixelCall(rawQuery string) ([]byte, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, problem.New(problem.Invalid, "the query cannot be read: %w", err)
	}
	if data := query.Get("data"); data != "" {
		return decodeData(data)
	}
	return flatCall(query)
}

// decodeData reads base64 of either alphabet, padded or not. A plus that was not
// escaped has become a space on the way.
func decodeData(data string) ([]byte, error) {
	data = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(strings.TrimSpace(data))
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(data, "="))
	if err != nil {
		return nil, problem.New(problem.Invalid, "data is not base64: %w", err)
	}
	return text, nil
}

// maxParts is how deep a dotted name may go.
const maxParts = 16

// flatCall makes a call of parameters: properties.subject=x is the member subject
// of the object properties. Values are text, as nothing says otherwise.
func flatCall(query url.Values) ([]byte, error) {
	call := map[string]any{}
	for name, values := range query {
		parts := strings.Split(name, ".")
		if len(parts) > maxParts {
			return nil, problem.New(problem.Invalid, "a parameter has more than %d parts in its name", maxParts)
		}
		at := call
		for _, part := range parts[:len(parts)-1] {
			below, ok := at[part].(map[string]any)
			if !ok {
				if _, taken := at[part]; taken {
					return nil, problem.New(problem.Invalid, "the parameter %.40q has both a value and members", part)
				}
				below = map[string]any{}
				at[part] = below
			}
			at = below
		}
		last := parts[len(parts)-1]
		if _, taken := at[last]; taken {
			return nil, problem.New(problem.Invalid, "the parameter %.40q has both a value and members", last)
		}
		at[last] = values[0]
	}
	return json.Marshal(call)
}
