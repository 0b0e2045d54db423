package config

import (
	"encoding/json"
	"math"
	"strings"

	"strm/internal/problem"
)

// values are the members of an object of the configuration. The first value of
// a wrong type is kept as the error.
type values struct {
	m    map[string]json.RawMessage
	path string // of the object, with a dot, for messages
	err  error
}

func objectOf(text []byte) (*values, error) {
	v := &values{}
	if err := json.Unmarshal(text, &v.m); err != nil {
		if json.Valid(text) {
			return nil, problem.New(problem.Invalid, "the configuration must be a JSON object")
		}
		// The decoder's words name an offset or a character, never a whole value.
		return nil, problem.New(problem.Invalid, "the configuration is not JSON: %w", err)
	}
	return v, nil
}

func (v *values) wrong(key, what string) {
	if v.err == nil {
		v.err = problem.New(problem.Invalid, "%s%s must be %s", v.path, key, what)
	}
}

func (v *values) has(key string) bool {
	raw, ok := v.m[key]
	return ok && string(raw) != "null"
}

func (v *values) text(key string) string {
	if !v.has(key) {
		return ""
	}
	var s string
	if err := json.Unmarshal(v.m[key], &s); err != nil {
		v.wrong(key, "a text")
	}
	return s
}

func (v *values) boolean(key string, otherwise bool) bool {
	if !v.has(key) {
		return otherwise
	}
	var b bool
	if err := json.Unmarshal(v.m[key], &b); err != nil {
		v.wrong(key, "true or false")
	}
	return b
}

func (v *values) number(key string, otherwise int64) int64 {
	if !v.has(key) {
		return otherwise
	}
	var f float64
	if err := json.Unmarshal(v.m[key], &f); err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<50 {
		v.wrong(key, "a whole number")
		return otherwise
	}
	return int64(f)
}

// object returns a member that is an object, an empty one if it is absent.
func (v *values) object(key string) *values {
	out := &values{path: v.path + key + "."}
	if v.has(key) {
		if err := json.Unmarshal(v.m[key], &out.m); err != nil {
			v.wrong(key, "an object")
		}
	}
	return out
}

// one returns the member's meaning, looked up without regard to case and
// hyphens; otherwise stands for an absent or empty one.
func (v *values) one(key, otherwise string, meanings map[string]string, known string) string {
	word := v.text(key)
	if word == "" {
		return otherwise
	}
	m, ok := meanings[strings.ReplaceAll(strings.ToLower(word), "-", " ")]
	if !ok {
		v.wrong(key, "one of "+known)
	}
	return m
}
