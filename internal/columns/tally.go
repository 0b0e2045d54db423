package columns

import "strm/internal/jsonscan"

// Tally bounds what the Lookups of one file remember of the members that no
// field takes: so many names in all. Not safe for concurrent use.
type Tally struct {
	More  int64 // members whose names are not remembered
	names int
}

// Bounds of a Tally.
const (
	maxTallied     = 100
	maxTalliedName = 256 // bytes
)

// tallied is a name and how many members had it.
type tallied struct {
	name    string
	members int64
}

// Count makes the Lookup count the members that Read finds no field for. It
// does nothing if there is a field for the rest. After the first members of a
// name, counting them allocates nothing.
func (l *Lookup) Count(t *Tally) {
	if l.rest < 0 {
		l.tally = t
	}
}

// Ignore leaves members of these names out of what is counted.
func (l *Lookup) Ignore(names ...string) {
	for _, name := range names {
		if _, ok := l.index[name]; !ok {
			l.index[name] = ignored
		}
	}
}

// Counted calls each for every name that was counted, in the order in which
// they came.
func (l *Lookup) Counted(each func(name string, members int64)) {
	for _, u := range l.undeclared {
		each(u.name, u.members)
	}
}

// count counts a member; at is what find said of its key.
func (l *Lookup) count(at int, key []byte, escaped bool) {
	if at == ignored {
		return
	}
	if at <= firstCounted {
		l.undeclared[firstCounted-at].members++
		return
	}
	if escaped || !validKey(key) {
		l.key = jsonscan.Unquote(l.key[:0], key)
		key = l.key
	}
	if l.tally.names >= maxTallied || len(key) > maxTalliedName {
		l.tally.More++
		return
	}
	l.tally.names++
	l.index[string(key)] = firstCounted - len(l.undeclared)
	l.undeclared = append(l.undeclared, tallied{string(key), 1})
}
