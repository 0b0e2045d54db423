package kafka

import (
	"bytes"
	"context"
	"unicode/utf8"

	"strm/internal/jsontoken"
	"strm/internal/problem"
	"strm/internal/stream"
)

// values returns what makes lines of the values of a topic.
func (o *Options) values(t stream.Topic) (Values, error) {
	if o.Values != nil {
		return o.Values(t)
	}
	if t.Values != "" && t.Values != stream.ValuesJSON {
		return nil, problem.New(problem.Invalid, "kafka: topic %s: values of kind %q cannot be read here", t.Name, t.Values)
	}
	return Objects{}, nil
}

// Objects are values that are JSON objects. Line breaks between their tokens are left out;
// all else stays as it was written.
type Objects struct{}

// AppendLine implements Values.
func (Objects) AppendLine(_ context.Context, dst, value []byte) ([]byte, error) {
	if value == nil {
		return dst, problem.New(problem.Corrupt, "it is null, which marks what was deleted")
	}
	start := jsontoken.Space(value, 0)
	end := len(value)
	for end > start && isSpace(value[end-1]) {
		end--
	}
	value = value[start:end]
	if err := object(value); err != nil {
		return dst, err
	}
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return append(append(dst, value...), '\n'), nil
	}
	for _, c := range value { // inside strings there are none
		if c != '\n' && c != '\r' {
			dst = append(dst, c)
		}
	}
	return append(dst, '\n'), nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// maxDepth is how deep objects and arrays may lie in each other.
const maxDepth = 1024

// object checks that b is one JSON object. It does not recurse and allocates nothing
// where all is well.
func object(b []byte) error {
	if len(b) == 0 || b[0] != '{' {
		return problem.New(problem.Corrupt, "it is no JSON object: it does not begin with '{'")
	}
	var (
		arrays [maxDepth / 64]uint64 // bit set: at that depth is an array
		depth  int
		wide   bool
		i      int
	)
	wrong := func(at int, want string) error {
		return problem.New(problem.Corrupt, "it is no JSON: byte %d should be %s", at, want)
	}
	text := func() error {
		end, flags := jsontoken.Text(b, i+1)
		if flags&jsontoken.Flaw != 0 {
			return wrong(end, flags.Want())
		}
		wide = wide || flags&jsontoken.Wide != 0
		i = end
		return nil
	}
	key := func() error { // and the colon behind it
		i = jsontoken.Space(b, i)
		if i >= len(b) || b[i] != '"' {
			return wrong(i, "a key in quotes")
		}
		if err := text(); err != nil {
			return err
		}
		if i = jsontoken.Space(b, i); i >= len(b) || b[i] != ':' {
			return wrong(i, "':' after the key")
		}
		i++
		return nil
	}
	for {
		// A value begins here.
		i = jsontoken.Space(b, i)
		if i >= len(b) {
			return wrong(i, "a value")
		}
		ok, opened := true, false
		switch c := b[i]; c {
		case '"':
			if err := text(); err != nil {
				return err
			}
		case '{', '[':
			if depth == maxDepth {
				return problem.New(problem.Corrupt, "it is nested deeper than %d", maxDepth)
			}
			if c == '[' {
				arrays[depth>>6] |= 1 << (depth & 63)
			} else {
				arrays[depth>>6] &^= 1 << (depth & 63)
			}
			depth++
			i = jsontoken.Space(b, i+1)
			if opened = i >= len(b) || b[i] != c+2; opened && c == '{' { // '{'+2 is '}', '['+2 is ']'
				if err := key(); err != nil {
					return err
				}
			}
		case 't':
			i, ok = jsontoken.Word(b, i, "true")
		case 'f':
			i, ok = jsontoken.Word(b, i, "false")
		case 'n':
			i, ok = jsontoken.Word(b, i, "null")
		default:
			i, ok = jsontoken.Number(b, i)
		}
		if !ok {
			return wrong(i, "part of a value")
		}
		if opened {
			continue
		}
		// It is over; and with it perhaps what it lies in.
		for again := true; again; {
			i = jsontoken.Space(b, i)
			array := arrays[(depth-1)>>6]&(1<<((depth-1)&63)) != 0
			switch {
			case i < len(b) && b[i] == ',':
				i++
				if !array {
					if err := key(); err != nil {
						return err
					}
				}
				again = false
			case i < len(b) && (array && b[i] == ']' || !array && b[i] == '}'):
				i++
				if depth--; depth > 0 {
					continue
				}
				if i = jsontoken.Space(b, i); i < len(b) {
					return wrong(i, "the end")
				}
				if wide && !utf8.Valid(b) {
					return problem.New(problem.Corrupt, "it is no UTF-8")
				}
				return nil
			default:
				return wrong(i, "',' or the end of the object or array")
			}
		}
	}
}
