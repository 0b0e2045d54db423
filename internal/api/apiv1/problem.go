package apiv1

import (
	"encoding/json"
	"net/http"
)

// ProblemType is the content type of every error answer.
const ProblemType = "application/problem+json"

// NewProblem returns the document of an error with this status.
func NewProblem(status int, kind, detail string) Problem {
	return Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Kind: kind}
}

// Write answers with p; headers of the caller's own are set before.
func (p *Problem) Write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", ProblemType)
	w.WriteHeader(p.Status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(p) // a failed write means that the reader has gone
}
