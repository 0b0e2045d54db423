package record

import "strm/internal/jsontoken"

// object is what one pass over a JSON object finds out.
type object struct {
	end    int  // one past the closing brace
	broken bool // a line break stands between the tokens
	wide   bool // bytes above 0x7f were near: its UTF-8 must be checked
}

// flaw is where and why a text is not a JSON object. At len(b) it ended early.
type flaw struct {
	at   int
	want string // what could have stood there
}

const wantShallow = "less nesting"

// scan reads the object that begins at b[i], which must be '{'. It does not
// recurse and allocates nothing on success: which of the containers around a
// place are arrays is kept in a bit each.
func (o *object) scan(b []byte, i int) *flaw {
	var arrays [(MaxDepth + 64) / 64]uint64
	depth := 0
	*o = object{}
	for {
		// b[i] begins a value; what follows it is looked at below.
		open := false
		switch c := b[i]; c {
		case '{', '[':
			if depth == MaxDepth {
				return &flaw{i, wantShallow}
			}
			depth++
			bit := uint64(1) << (depth & 63)
			if c == '[' {
				arrays[depth>>6] |= bit
			} else {
				arrays[depth>>6] &^= bit
			}
			i, open = o.space(b, i+1), true
		case '"':
			var f jsontoken.Flags
			if i, f = jsontoken.Text(b, i+1); f&jsontoken.Flaw != 0 {
				return &flaw{i, f.Want()}
			} else if f&jsontoken.Wide != 0 {
				o.wide = true
			}
		default:
			var want string
			if i, want = scalar(b, i); want != "" {
				return &flaw{i, want}
			}
		}
		// Close what is closed here, and go on to the next value.
		for next := false; !next; {
			array := arrays[depth>>6]&(1<<(depth&63)) != 0
			if !open {
				i = o.space(b, i)
			}
			switch {
			case i < len(b) && array && b[i] == ']', i < len(b) && !array && b[i] == '}':
				i++
				if depth--; depth == 0 {
					o.end = i
					return nil
				}
				open = false
				continue
			case open:
			case i < len(b) && b[i] == ',':
				i = o.space(b, i+1)
			case array:
				return &flaw{i, "',' or ']' after a value"}
			default:
				return &flaw{i, "',' or '}' after a value"}
			}
			if !array {
				var fl *flaw
				if i, fl = o.key(b, i, open); fl != nil {
					return fl
				}
			}
			next = true
		}
		if i >= len(b) {
			return &flaw{i, "a value"}
		}
	}
}

// key reads a key and its colon, and returns where the value begins.
func (o *object) key(b []byte, i int, first bool) (int, *flaw) {
	if i >= len(b) || b[i] != '"' {
		if first {
			return i, &flaw{i, "a key in quotes or '}'"}
		}
		return i, &flaw{i, "a key in quotes"}
	}
	i, f := jsontoken.Text(b, i+1)
	if f&jsontoken.Flaw != 0 {
		return i, &flaw{i, f.Want()}
	}
	o.wide = o.wide || f&jsontoken.Wide != 0
	i = o.space(b, i)
	if i >= len(b) || b[i] != ':' {
		return i, &flaw{i, "':' after the key"}
	}
	return o.space(b, i+1), nil
}

// scalar reads a number or a word; want is what should have been there.
func scalar(b []byte, i int) (end int, want string) {
	word := ""
	switch c := b[i]; {
	case c == '-' || c >= '0' && c <= '9':
		end, ok := jsontoken.Number(b, i)
		if !ok {
			return end, "a digit"
		}
		return end, ""
	case c == 't':
		word = "true"
	case c == 'f':
		word = "false"
	case c == 'n':
		word = "null"
	default:
		return i, "a value"
	}
	end, ok := jsontoken.Word(b, i, word)
	if !ok {
		return end, word
	}
	return end, ""
}

// space skips white space from i on and notes line breaks.
func (o *object) space(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t':
		case '\n', '\r':
			o.broken = true
		default:
			return i
		}
	}
	return i
}
