package answer

import (
	"io"
	"net/http"
)

// Share lets any page read the answer. Nothing here is opened by a cookie, so
// there is nothing that one site could take from another's visitors; pages name
// their write key themselves.
func Share(head http.Header, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" {
		head.Set("Access-Control-Allow-Origin", origin)
		head.Set("Access-Control-Allow-Credentials", "true") // sendBeacon always asks with them
	} else {
		head.Set("Access-Control-Allow-Origin", "*")
	}
	head.Set("Access-Control-Expose-Headers", "Retry-After, X-RateLimit-Reset")
	head.Set("Vary", "Origin")
}

// Preflight answers a browser that asks before it sends: method is what the path
// takes, headers are those that its SDK sets.
func Preflight(w http.ResponseWriter, method, headers string) {
	head := w.Header()
	head.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	head.Set("Access-Control-Allow-Headers", headers)
	head.Set("Access-Control-Max-Age", "7200") // as long as any browser keeps it
	head.Set("Allow", method+", OPTIONS")
	w.WriteHeader(http.StatusNoContent)
}

// Drain reads at most limit bytes of what the sender still sends: one that is
// refused in the middle of its body may see a broken connection instead of the
// answer.
func Drain(r *http.Request, limit int64) {
	if r.Header.Get("Expect") == "" { // else the body comes only if it is asked for
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, limit)) // a fault here is the sender's own
	}
}
