package split

import (
	"net/http"
	"strconv"

	"strm/internal/collect/split/flags"
	"strm/internal/jsonscan"
)

// told answers a request of a known SDK with a JSON body; others are refused.
func (h *Handler) told(w http.ResponseWriter, r *http.Request, e endpoint, body func(from *sender) []byte) {
	from, rf := h.identify(r.Context(), headerKey(r))
	if rf != nil {
		h.refuse(w, r, &from, e, rf)
		return
	}
	h.Observer.Answered(from.source.Name, OutcomeServed)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body(&from)) // the client is gone: it will ask again
}

// splitChanges answers with the flags of the source that an SDK lacks. From spec
// 1.3 on an SDK takes rule-based segments, too.
func (h *Handler) splitChanges(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(from *sender) []byte {
		q := r.URL.Query()
		since, segmentsSince := number(q.Get("since")), number(q.Get("rbSince"))
		set := &from.source.Split.Served
		if spec, err := strconv.ParseFloat(q.Get("s"), 64); err != nil || spec < 1.3 {
			return flags.AppendSplits(nil, set, since)
		}
		return flags.AppendChanges(nil, set, since, segmentsSince)
	})
}

// number reads a change number; -1, which stands for nothing yet, if it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// memberships answers that a key is in no segment: strm has none.
func (h *Handler) memberships(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(*sender) []byte { return []byte(`{"ms":{"k":[],"cn":null},"ls":{"k":[],"cn":null}}`) })
}

// mySegments answers likewise to older SDKs.
func (h *Handler) mySegments(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(*sender) []byte { return []byte(`{"mySegments":[]}`) })
}

// segmentChanges answers that a segment has no keys.
func (h *Handler) segmentChanges(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(*sender) []byte {
		at := max(number(r.URL.Query().Get("since")), 1) // what SDKs take for the end of the changes
		out := jsonscan.Quote([]byte(`{"name":`), e.name)
		out = strconv.AppendInt(append(out, `,"added":[],"removed":[],"since":`...), at, 10)
		return append(strconv.AppendInt(append(out, `,"till":`...), at, 10), '}')
	})
}

// auth answers that there is no streaming: the SDK polls.
func (h *Handler) auth(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(*sender) []byte { return []byte(`{"pushEnabled":false,"token":""}`) })
}

// version answers Go's SDK, which asks whether its key is good before it starts.
func (h *Handler) version(w http.ResponseWriter, r *http.Request, e endpoint) {
	h.told(w, r, e, func(*sender) []byte { return []byte(`{"name":"strm"}`) })
}
