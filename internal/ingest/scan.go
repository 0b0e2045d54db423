package ingest

import (
	"encoding/json"

	"strm/internal/jsontoken"
)

// MaxDepth is how deep objects and arrays of one event may nest, the event
// itself included.
const MaxDepth = 512

// outline is what one pass over an event finds out. The positions are indexes
// into the scanned bytes.
type outline struct {
	end     int  // one past the closing brace
	newline int  // the first raw '\n' or '\r' between the tokens, -1 for none
	wide    bool // bytes above 0x7f were near: the event's UTF-8 must be checked
	empty   bool // no members

	metas   int // top-level members called strmMeta; the rest is of the first
	metaKey int // its opening quote
	metaVal int // first byte of its value
	metaEnd int // one past its value
}

// flaw is where and why an event is not JSON. At len(b) the text ended early.
type flaw struct {
	at   int
	want string // what could have stood there
}

// scan reads the JSON object that begins at b[i], which must be '{'. It goes
// over the bytes once, allocates nothing on success and never recurses, so
// hostile nesting costs neither stack nor memory. What it accepts is what
// encoding/json accepts, but for nesting beyond MaxDepth; a fuzz test holds it
// to that. UTF-8 is not looked at: see wide.
func (o *outline) scan(b []byte, i int) *flaw {
	var (
		arrays [MaxDepth / 64]uint64 // bit set: the container at that depth is an array
		depth  = 1
		array  bool // the innermost container is an array
		first  bool // nothing was read in it yet
		mine   bool // the value being read is strmMeta's
		start  int
		f      jsontoken.Flags
		ok     bool
	)
	*o = outline{newline: -1}
	i++
	first = true

key:
	if i < len(b) && b[i] <= ' ' {
		i = o.space(b, i)
	}
	if i >= len(b) {
		return &flaw{i, "a key in quotes or '}'"}
	}
	if b[i] == '}' && first {
		o.empty = o.empty || depth == 1
		goto closing
	}
	if b[i] != '"' {
		if first {
			return &flaw{i, "a key in quotes or '}'"}
		}
		return &flaw{i, "a key in quotes"}
	}
	start = i
	i, f = jsontoken.Text(b, i+1)
	if f != 0 {
		if f&jsontoken.Flaw != 0 {
			return &flaw{i, f.Want()}
		}
		o.wide = o.wide || f&jsontoken.Wide != 0
	}
	if depth == 1 && isKey(b[start:i], f, metaKeyText) {
		if o.metas++; o.metas == 1 {
			mine, o.metaKey = true, start
		}
	}
	if i < len(b) && b[i] <= ' ' {
		i = o.space(b, i)
	}
	if i >= len(b) || b[i] != ':' {
		return &flaw{i, "':' after the key"}
	}
	i++

value:
	if i < len(b) && b[i] <= ' ' {
		i = o.space(b, i)
	}
	if i >= len(b) {
		return &flaw{i, "a value"}
	}
	if mine && depth == 1 {
		o.metaVal = i
	}
	switch b[i] {
	case '"':
		i, f = jsontoken.Text(b, i+1)
		if f != 0 {
			if f&jsontoken.Flaw != 0 {
				return &flaw{i, f.Want()}
			}
			o.wide = o.wide || f&jsontoken.Wide != 0
		}
	case '{', '[':
		if depth == MaxDepth {
			return &flaw{i, wantShallow}
		}
		array = b[i] == '['
		if array {
			arrays[depth>>6] |= 1 << (depth & 63)
		} else {
			arrays[depth>>6] &^= 1 << (depth & 63)
		}
		depth++
		i++
		if !array {
			first = true
			goto key
		}
		if i < len(b) && b[i] <= ' ' {
			i = o.space(b, i)
		}
		if i < len(b) && b[i] == ']' {
			goto closing
		}
		goto value
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if i, ok = jsontoken.Number(b, i); !ok {
			return &flaw{i, "a digit"}
		}
	case 't':
		if i, ok = jsontoken.Word(b, i, "true"); !ok {
			return &flaw{i, "true"}
		}
	case 'f':
		if i, ok = jsontoken.Word(b, i, "false"); !ok {
			return &flaw{i, "false"}
		}
	case 'n':
		if i, ok = jsontoken.Word(b, i, "null"); !ok {
			return &flaw{i, "null"}
		}
	default:
		return &flaw{i, "a value"}
	}

after:
	if mine && depth == 1 {
		mine, o.metaEnd = false, i
	}
	if i < len(b) && b[i] <= ' ' {
		i = o.space(b, i)
	}
	if array {
		switch {
		case i < len(b) && b[i] == ',':
			i++
			goto value
		case i < len(b) && b[i] == ']':
			goto closing
		}
		return &flaw{i, "',' or ']' after a value"}
	}
	switch {
	case i < len(b) && b[i] == ',':
		i++
		first = false
		goto key
	case i < len(b) && b[i] == '}':
		goto closing
	}
	return &flaw{i, "',' or '}' after a value"}

closing:
	i++
	depth--
	if depth == 0 {
		o.end = i
		return nil
	}
	// The kind of the container that held the one just closed was noted when
	// it was opened, one level up; the event itself is an object.
	array = depth > 1 && arrays[(depth-1)>>6]&(1<<((depth-1)&63)) != 0
	goto after
}

const wantShallow = "nesting of at most 512 levels"

// space skips white space from i on and notes the first line break.
func (o *outline) space(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t':
		case '\n', '\r':
			if o.newline < 0 {
				o.newline = i
			}
		default:
			return i
		}
	}
	return i
}

// isKey reports whether the quoted key, whose flags are f, spells name.
func isKey(quoted []byte, f jsontoken.Flags, name string) bool {
	if f&jsontoken.Escaped == 0 {
		return len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}
