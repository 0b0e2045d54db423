package segment

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/problem"
	"strm/internal/stream"
)

// sender is who sends, once known.
type sender struct {
	key    string
	source stream.Source
	stream stream.Stream
}

// headerKey returns the write key of an Authorization header: the user name of
// Basic, with or without a colon behind it. Any other scheme, as the Bearer of
// OAuth, says nothing about a source.
func headerKey(r *http.Request) string {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Basic") {
		return ""
	}
	text, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(rest), "="))
	if err != nil {
		return ""
	}
	key, _, _ := strings.Cut(string(text), ":")
	return key
}

// identify finds the source of a write key.
//
// An unknown key is a 401, which most SDKs take for final: they drop the batch.
// Answering with something they repeat would fill phones and servers for ever
// with the calls of a source that was deleted.
func (h *Handler) identify(ctx context.Context, key string) (sender, *answer.Refusal) {
	if key == "" {
		return sender{}, &answer.Refusal{Status: http.StatusUnauthorized, Kind: problem.Unauthorized, Code: "no_write_key",
			Message: "no write key: send it as user name of Authorization: Basic, or as writeKey in the body"}
	}
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:])
	src, s, err := h.Sources.Source(ctx, hash)
	switch {
	case err != nil && problem.KindOf(err) != problem.NotFound:
		return sender{}, &answer.Refusal{Status: http.StatusServiceUnavailable, Kind: problem.Unavailable, Code: "unavailable", RetryAfter: 5, Cause: err,
			Message: "the write key cannot be looked up now: nothing was stored, send again"}
	case err != nil || subtle.ConstantTimeCompare([]byte(hash), []byte(src.KeyHash)) != 1:
		return sender{}, &answer.Refusal{Status: http.StatusUnauthorized, Kind: problem.Unauthorized, Code: "unknown_write_key",
			Message: "unknown write key: take the one that the source was created with, or create a source of kind segment"}
	case src.Kind != stream.SourceSegment:
		return sender{source: src, stream: s}, &answer.Refusal{Status: http.StatusForbidden, Kind: problem.Forbidden, Code: "wrong_source_kind",
			Message: "this write key belongs to a source of another kind (" + string(src.Kind) + "): it may not send here"}
	}
	return sender{key: key, source: src, stream: s}, nil
}
