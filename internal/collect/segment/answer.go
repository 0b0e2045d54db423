package segment

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"strm/internal/collect/answer"
	"strm/internal/problem"
)

// succeed answers exactly what every SDK takes for success: PHP and Python want
// 200 and nothing else, Ruby wants a JSON body.
func succeed(w http.ResponseWriter) {
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"success":true}` + "\n")) // the client is gone: it will send again, and the message ids are known
}

// tell counts the refusal and tells the operator: of faults of ours each time,
// of what senders do wrong now and then, for a sender that is wrong once is so
// with every request.
func (h *Handler) tell(r *http.Request, from sender, rf *answer.Refusal) {
	if !rf.Counted {
		h.Observer.Refused(from.stream.Name, rf.Kind)
	}
	h.Observer.Answered(from.source.Name, rf.Kind.String())
	about := []slog.Attr{slog.String("path", LogPath(r.URL.Path)), slog.Int("status", rf.Status), slog.String("source", from.source.Name), slog.Any("error", rf.Cause)}
	switch {
	case rf.Status < 500:
		if rf.Kind != problem.Busy { // those have their gauges
			h.note(r.Context(), from.source.Name, rf.Code, "requests", 1, slog.String("last", rf.Message))
		}
	case r.Context().Err() != nil && errors.Is(rf.Cause, context.Canceled):
		h.Logger.LogAttrs(r.Context(), slog.LevelDebug, "the client went away", about...)
	default:
		h.Logger.LogAttrs(r.Context(), slog.LevelError, "intake failed", about...)
	}
}
