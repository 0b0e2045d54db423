package segment

import (
	"context"
	"log/slog"

	"strm/internal/collect/answer"
)

// note logs what senders do wrong, at the tally's pace: n calls, or requests.
func (h *Handler) note(ctx context.Context, source, reason, of string, n int, more ...slog.Attr) {
	if n = h.tally.Add(h.Now(), answer.Tallied{Source: source, Reason: reason}, n); n > 0 {
		h.Logger.LogAttrs(ctx, slog.LevelWarn, "segment calls refused", append([]slog.Attr{slog.String("source", source), slog.String("reason", reason), slog.Int(of, n)}, more...)...)
	}
}
