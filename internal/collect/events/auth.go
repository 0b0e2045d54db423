package events

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"strm/internal/problem"
	"strm/internal/stream"
)

// authorise finds the stream that the request's write key opens. What exists
// and what does not is only told to those who hold a key for it: any other
// stream's name gets the same answer.
func (h *Handler) authorise(r *http.Request, streamName string) (stream.Stream, *refusal) {
	key, ok := writeKey(r)
	if !ok {
		return stream.Stream{}, &refusal{status: http.StatusUnauthorized, kind: problem.Unauthorized,
			detail: "a write key is needed: send Authorization: Bearer <writeKey>, or Basic with the key as user name"}
	}
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:])
	if streamName != "" && h.Admin.KeyHash != "" && subtle.ConstantTimeCompare([]byte(hash), []byte(h.Admin.KeyHash)) == 1 {
		return h.authoriseAdmin(r, streamName)
	}
	src, s, err := h.Sources.Source(r.Context(), hash)
	switch {
	case err != nil && problem.KindOf(err) != problem.NotFound:
		return stream.Stream{}, &refusal{status: http.StatusServiceUnavailable, kind: problem.Unavailable, retryAfter: 5, cause: err,
			detail: "the write key cannot be looked up now: nothing was stored, send again"}
	case err != nil || subtle.ConstantTimeCompare([]byte(hash), []byte(src.KeyHash)) != 1:
		return stream.Stream{}, &refusal{status: http.StatusUnauthorized, kind: problem.Unauthorized,
			detail: "unknown write key: take the one that was shown when the source was created, or create a source"}
	case src.Kind != stream.SourceEvents:
		return stream.Stream{}, &refusal{status: http.StatusForbidden, kind: problem.Forbidden,
			detail: "this write key belongs to a source of another kind (" + string(src.Kind) + "): it may not send here"}
	case streamName != "" && streamName != s.Name:
		return stream.Stream{}, &refusal{status: http.StatusForbidden, kind: problem.Forbidden,
			detail: "this write key is not for stream " + quote(streamName)}
	}
	return s, nil
}

// authoriseAdmin lets the holder of the admin token send to any stream by name:
// such a person could make a source for it as well.
func (h *Handler) authoriseAdmin(r *http.Request, streamName string) (stream.Stream, *refusal) {
	s, err := h.Admin.Stream(r.Context(), streamName)
	switch {
	case problem.KindOf(err) == problem.NotFound && err != nil:
		return stream.Stream{}, &refusal{status: http.StatusNotFound, kind: problem.NotFound, detail: err.Error()}
	case problem.KindOf(err) == problem.Conflict:
		return stream.Stream{}, &refusal{status: http.StatusConflict, kind: problem.Conflict, detail: err.Error()}
	case err != nil:
		return stream.Stream{}, &refusal{status: http.StatusServiceUnavailable, kind: problem.Unavailable, retryAfter: 5, cause: err,
			detail: "the stream cannot be looked up now: nothing was stored, send again"}
	}
	return s, nil
}

// writeKey reads the key from the Authorization header.
func writeKey(r *http.Request) (string, bool) {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		key := strings.TrimSpace(rest)
		return key, key != ""
	}
	user, _, ok := r.BasicAuth()
	return user, ok && user != ""
}
