package stream

import (
	"strings"
	"unicode/utf8"

	"strm/internal/keyname"
	"strm/internal/problem"
)

// MaxName is the longest name in bytes.
const MaxName = 100

// CheckName refuses a name that could break an object key, a URL path or a
// shell word. The first character is a letter or digit; the rest may also be
// '.', '_' or '-'. what is the noun for the message ("stream", "sink").
func CheckName(what, name string) error {
	if name == "" {
		return problem.New(problem.Invalid, "a %s needs a name", what)
	}
	if len(name) > MaxName {
		return problem.New(problem.Invalid, "%s name is %d bytes long; at most %d are allowed", what, len(name), MaxName)
	}
	for i := range len(name) {
		c := name[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if alnum || i > 0 && (c == '.' || c == '_' || c == '-') {
			continue
		}
		return problem.New(problem.Invalid, "%s name %q: use letters, digits, '.', '_' and '-', and begin with a letter or digit", what, name)
	}
	return nil
}

// MaxPathPrefix is the longest path prefix in bytes: S3 keys end at 1,024, and
// the seeds reserve the rest for file names.
const MaxPathPrefix = 900

// CheckPathPrefix refuses a prefix that would make keys some reader or policy
// cannot match: no leading or trailing slash, no empty, "." or ".." segment,
// no control character or backslash. Empty is allowed.
func CheckPathPrefix(p string) error {
	if p == "" {
		return nil
	}
	if len(p) > MaxPathPrefix {
		return problem.New(problem.Invalid, "path prefix is %d bytes long; at most %d are allowed", len(p), MaxPathPrefix)
	}
	for _, seg := range strings.Split(p, "/") {
		switch seg {
		case "":
			return problem.New(problem.Invalid, "path prefix %q: leave out leading, trailing and double slashes (each would be part of the key)", p)
		case ".", "..":
			return problem.New(problem.Invalid, "path prefix %q: the segment %q is not allowed", p, seg)
		}
	}
	for _, r := range p {
		if r < 0x20 || r == 0x7f || r == '\\' || r == 0xfffd {
			return problem.New(problem.Invalid, "path prefix %q: control characters, backslashes and invalid UTF-8 are not allowed", p)
		}
	}
	if strings.Contains(p, ".well-known/acme-challenge") {
		return problem.New(problem.Invalid, "path prefix %q: .well-known/acme-challenge is not allowed", p)
	}
	return nil
}

// CheckStreamPrefix refuses a stream prefix with which a stream's name would
// make no path: with a control character or backslash, or with a segment that is
// empty, "." or "..", also once it is cleaned (package keyname). It may end in a
// slash. Empty is allowed.
func CheckStreamPrefix(p string) error {
	if len(p) > MaxName {
		return problem.New(problem.Invalid, "stream prefix is %d bytes long; at most %d are allowed", len(p), MaxName)
	}
	for _, r := range p {
		if r < 0x20 || r == 0x7f || r == '\\' || r == utf8.RuneError {
			return problem.New(problem.Invalid, "stream prefix %q: control characters, backslashes and invalid UTF-8 are not allowed", p)
		}
	}
	for seg := range strings.SplitSeq(keyname.Clean(p+"s"), "/") {
		if seg == "" || seg == "." || seg == ".." {
			return problem.New(problem.Invalid, "stream prefix %q: it must not begin with a slash, nor hold two in a row or the directories \".\" and \"..\"", p)
		}
	}
	return nil
}

// JoinPrefix returns an exporter's path prefix below that of its sink. Either
// may be empty.
func JoinPrefix(sink, exporter string) string {
	if sink == "" || exporter == "" {
		return sink + exporter
	}
	return sink + "/" + exporter
}

// MaxSourceID is the longest id of a segment source in bytes.
const MaxSourceID = 64

// CheckSourceID refuses an id that could break a key or a line: it is 1 to 64
// letters, digits, '-' and '_'. Segment's own have 10 or 22.
func CheckSourceID(id string) error {
	for i := range len(id) {
		c := id[i]
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && c != '-' && c != '_' {
			return problem.New(problem.Invalid, "source id %q: use letters, digits, '-' and '_'", id)
		}
	}
	if id == "" || len(id) > MaxSourceID {
		return problem.New(problem.Invalid, "source id %q: use 1 to %d letters, digits, '-' and '_'", id, MaxSourceID)
	}
	return nil
}
