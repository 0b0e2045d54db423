// Package render turns the answers of the control API into what the CLI
// prints. It holds pure functions only: an answer in, a View out.
//
// The JSON shapes are those of the STRM CLI of generation 2 (and, in the
// gen1 files, of generation 1); what strm adds comes after the seed's fields.
package render

import (
	"strings"

	"strm/internal/problem"
)

// Format is a value of the -o flag.
type Format string

// The formats.
const (
	Table   Format = "table"    // aligned columns for people
	JSON    Format = "json"     // indented by two spaces; the default
	JSONRaw Format = "json-raw" // one line
	Plain   Format = "plain"    // one name a line
)

// Formats returns all formats in the order of the help text.
func Formats() []string {
	return []string{string(Table), string(JSON), string(JSONRaw), string(Plain)}
}

// ParseFormat reads a value of the -o flag.
func ParseFormat(s string) (Format, error) {
	switch f := Format(s); f {
	case Table, JSON, JSONRaw, Plain:
		return f, nil
	}
	return "", problem.New(problem.Invalid, "Output format '%s' is not supported. Allowed values: %s", s, strings.Join(Formats(), ", "))
}

// Ref names an entity. billingId is the name of the installation.
type Ref struct {
	BillingID string `json:"billingId"`
	Name      string `json:"name"`
}
