package ingest

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
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
		f      textFlags
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
	i, f = scanText(b, i+1)
	if f != 0 {
		if f&textFlaw != 0 {
			return &flaw{i, f.want()}
		}
		o.wide = o.wide || f&textWide != 0
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
		i, f = scanText(b, i+1)
		if f != 0 {
			if f&textFlaw != 0 {
				return &flaw{i, f.want()}
			}
			o.wide = o.wide || f&textWide != 0
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
		if i, ok = scanNumber(b, i); !ok {
			return &flaw{i, "a digit"}
		}
	case 't':
		if i, ok = scanWord(b, i, "true"); !ok {
			return &flaw{i, "true"}
		}
	case 'f':
		if i, ok = scanWord(b, i, "false"); !ok {
			return &flaw{i, "false"}
		}
	case 'n':
		if i, ok = scanWord(b, i, "null"); !ok {
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

// textFlags is what scanText saw.
type textFlags uint8

const (
	textWide    textFlags = 1 << iota // a byte above 0x7f, here or in the seven bytes after
	textEscaped                       // a backslash
	textEnd                           // flaw: no closing quote
	textControl                       // flaw: a raw control character
	textEscape                        // flaw: no such escape
	textHex                           // flaw: \u without four hexadecimal digits

	textFlaw = textEnd | textControl | textEscape | textHex
)

func (f textFlags) want() string {
	switch {
	case f&textControl != 0:
		return "an escape: control characters in a string must be written as \\n, \\t or \\u00XX"
	case f&textEscape != 0:
		return "one of \" \\ / b f n r t u after a backslash"
	case f&textHex != 0:
		return "four hexadecimal digits after \\u"
	}
	return "a closing quote"
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanText reads a string whose opening quote is just before i, and returns
// the index after its closing quote, or, with a flaw, of the byte at fault.
//
// It looks at eight bytes at a time. For a byte v of x, (v-1)&^v has its high
// bit set if v is 0; xor makes quotes and backslashes 0, and (v-0x20)&^v finds
// control characters. A borrow can only set bits above a true hit, so the
// lowest one is right.
func scanText(b []byte, i int) (int, textFlags) {
	var f textFlags
	var seen uint64
	for {
		if i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			seen |= x
			q, s := x^ones*'"', x^ones*'\\'
			hit := ((q-ones)&^q | (s-ones)&^s | (x-ones*0x20)&^x) & highs
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) >> 3
		} else {
			if i >= len(b) {
				return i, f | textEnd
			}
			c := b[i]
			seen |= uint64(c)
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
		}
		switch b[i] {
		case '"':
			if seen&highs != 0 {
				f |= textWide
			}
			return i + 1, f
		case '\\':
			f |= textEscaped
			i++
			if i >= len(b) {
				return i, f | textEnd
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i++
			case 'u':
				for range 4 {
					i++
					if i >= len(b) {
						return i, f | textEnd
					}
					if !isHex(b[i]) {
						return i, f | textHex
					}
				}
				i++
			default:
				return i, f | textEscape
			}
		default:
			return i, f | textControl
		}
	}
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// scanNumber reads a number and returns the index after it, or, without
// success, of the byte where a digit should have been.
func scanNumber(b []byte, i int) (int, bool) {
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && b[i] >= '1' && b[i] <= '9':
		i = digits(b, i)
	default:
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		n := digits(b, i)
		if n == i {
			return i, false
		}
		i = n
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		n := digits(b, i)
		if n == i {
			return i, false
		}
		i = n
	}
	return i, true
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	return i
}

func scanWord(b []byte, i int, word string) (int, bool) {
	for n := range len(word) {
		if i >= len(b) || b[i] != word[n] {
			return i, false
		}
		i++
	}
	return i, true
}

// isKey reports whether the quoted key, whose flags are f, spells name.
func isKey(quoted []byte, f textFlags, name string) bool {
	if f&textEscaped == 0 {
		return len(quoted) == len(name)+2 && string(quoted[1:len(quoted)-1]) == name
	}
	var s string
	return json.Unmarshal(quoted, &s) == nil && s == name
}
