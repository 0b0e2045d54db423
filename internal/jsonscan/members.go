package jsonscan

// Members goes over the members of an object, in the order of the text.
type Members struct {
	b    []byte
	i    int
	bad  bool
	done bool

	key        []byte // between its quotes
	keyEscaped bool
	val        []byte
	valEscaped bool
	valAt      int
}

// MembersOf returns the members of an object's text.
func MembersOf(v []byte) Members {
	m := Members{b: v, i: 1}
	i := Space(v, 0)
	if i >= len(v) || v[i] != '{' {
		m.bad, m.done = true, true
		return m
	}
	m.i = Space(v, i+1)
	if m.i < len(v) && v[m.i] == '}' {
		m.done = true
	}
	return m
}

// Next goes to the next member and returns whether there is one.
func (m *Members) Next() bool {
	if m.done {
		return false
	}
	b, i := m.b, m.i
	if i >= len(b) || b[i] != '"' {
		return m.fail()
	}
	start := i + 1
	i, m.keyEscaped = text(b, start)
	if i < 0 {
		return m.fail()
	}
	m.key = b[start : i-1]
	if i < len(b) && b[i] != ':' {
		i = Space(b, i)
	}
	if i >= len(b) || b[i] != ':' {
		return m.fail()
	}
	return m.value(i + 1)
}

// NextIs is Next where the next member begins with this text, a key of plain
// letters in its quotes and the colon behind it: "\"key\":". Else it returns
// false and goes nowhere. To ask so for what is likely to come is half the work.
func (m *Members) NextIs(text string) bool {
	if m.done || len(m.b)-m.i < len(text) || string(m.b[m.i:m.i+len(text)]) != text {
		return false
	}
	m.key, m.keyEscaped = m.b[m.i+1:m.i+len(text)-2], false
	return m.value(m.i + len(text))
}

// value reads what stands behind the colon before b[i].
func (m *Members) value(i int) bool {
	b := m.b
	if i < len(b) && b[i] <= ' ' {
		i = Space(b, i)
	}
	start := i
	i, m.valEscaped = skip(b, i)
	if i < 0 {
		return m.fail()
	}
	m.val, m.valAt = b[start:i:i], start
	if i < len(b) && b[i] <= ' ' {
		i = Space(b, i)
	}
	switch {
	case i < len(b) && b[i] == ',':
		m.i = Space(b, i+1)
	case i < len(b) && b[i] == '}':
		m.i, m.done = i+1, true
	default:
		return m.fail()
	}
	return true
}

func (m *Members) fail() bool {
	m.bad, m.done = true, true
	return false
}

// OK reports, after Next has said false, whether the object was read to its end.
func (m *Members) OK() bool { return !m.bad }

// Key returns the key as it stands between its quotes, and whether it holds
// escapes: then Unquote tells its text.
func (m *Members) Key() (raw []byte, escaped bool) { return m.key, m.keyEscaped }

// Value returns the value's text, quotes of a string included, and whether it
// is a string with escapes.
func (m *Members) Value() (raw []byte, escaped bool) { return m.val, m.valEscaped }

// At returns where the value begins in the object's text, as given to MembersOf.
func (m *Members) At() int { return m.valAt }

// Elements goes over the elements of an array.
type Elements struct {
	b    []byte
	i    int
	bad  bool
	done bool
	val  []byte
	esc  bool
}

// ElementsOf returns the elements of an array's text.
func ElementsOf(v []byte) Elements {
	e := Elements{b: v}
	i := Space(v, 0)
	if i >= len(v) || v[i] != '[' {
		e.bad, e.done = true, true
		return e
	}
	e.i = Space(v, i+1)
	if e.i < len(v) && v[e.i] == ']' {
		e.done = true
	}
	return e
}

// Next goes to the next element and returns whether there is one.
func (e *Elements) Next() bool {
	if e.done {
		return false
	}
	b, start := e.b, e.i
	i, esc := skip(b, start)
	if i < 0 {
		e.bad, e.done = true, true
		return false
	}
	e.val, e.esc = b[start:i:i], esc
	i = Space(b, i)
	switch {
	case i < len(b) && b[i] == ',':
		e.i = Space(b, i+1)
	case i < len(b) && b[i] == ']':
		e.i, e.done = i+1, true
	default:
		e.bad, e.done = true, true
		return false
	}
	return true
}

// OK reports, after Next has said false, whether the array was read to its end.
func (e *Elements) OK() bool { return !e.bad }

// Value returns the element's text and whether it is a string with escapes.
func (e *Elements) Value() (raw []byte, escaped bool) { return e.val, e.esc }
