package split

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"strm/internal/collect/answer"
	"strm/internal/collect/split/wire"
	"strm/internal/problem"
	"strm/internal/stream"
)

// sender is who sends, once known.
type sender struct {
	source  stream.Source
	streams stream.SplitStreams
	known   bool
}

// stream returns where entries of a kind go; one without an ID if nowhere.
func (s *sender) stream(kind wire.Kind) *stream.Stream {
	switch kind {
	case wire.Impressions:
		return &s.streams.Impressions
	case wire.Events:
		return &s.streams.Events
	case wire.Counts, wire.Keys:
	}
	return &s.streams.Counts
}

// headerKey returns the SDK key of an Authorization header.
func headerKey(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(key)
}

// identify finds the source of an SDK key.
func (h *Handler) identify(ctx context.Context, key string) (sender, *answer.Refusal) {
	if key == "" {
		return sender{}, &answer.Refusal{Status: http.StatusUnauthorized, Kind: problem.Unauthorized, Code: "no_write_key",
			Message: "no SDK key: send it as Authorization: Bearer, in a beacon as token, or to an impression listener's path"}
	}
	sum := sha256.Sum256([]byte(key))
	hash := hex.EncodeToString(sum[:])
	src, streams, err := h.Sources.SplitSource(ctx, hash)
	switch {
	case err != nil && problem.KindOf(err) != problem.NotFound:
		return sender{}, &answer.Refusal{Status: http.StatusServiceUnavailable, Kind: problem.Unavailable, Code: "unavailable", RetryAfter: 5, Cause: err,
			Message: "the SDK key cannot be looked up now: nothing was stored, send again"}
	case err != nil || subtle.ConstantTimeCompare([]byte(hash), []byte(src.KeyHash)) != 1:
		return sender{}, &answer.Refusal{Status: http.StatusUnauthorized, Kind: problem.Unauthorized, Code: "unknown_write_key",
			Message: "unknown SDK key: create a source of kind split with it (strm create source NAME --kind split --write-key KEY)"}
	case src.Kind != stream.SourceSplit || src.Split == nil:
		return sender{source: src, streams: streams}, &answer.Refusal{Status: http.StatusForbidden, Kind: problem.Forbidden, Code: "wrong_source_kind",
			Message: "this write key belongs to a source of another kind (" + string(src.Kind) + "): it may not send here"}
	}
	return sender{source: src, streams: streams, known: true}, nil
}
