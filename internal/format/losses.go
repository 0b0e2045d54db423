package format

import (
	"cmp"
	"slices"
	"strings"
)

// Losses counts what a file does not hold although its events did. A writer
// adds to it when it is closed; it belongs to one goroutine at a time.
type Losses struct {
	// Undeclared are the members that the declared schema has no place for, by
	// path as in "a", "a.b", "a.[].b", most first.
	Undeclared []Undeclared
	// Others are such members whose names are too many, or too long, to be kept.
	Others int64
	// Nulled are the values that did not fit their column.
	Nulled int64
}

// Undeclared is how many members of one path there were.
type Undeclared struct {
	Path    string
	Members int64
}

// MaxUndeclared is how many paths Losses keep.
const MaxUndeclared = 100

// Members returns how many undeclared members there were in all.
func (l *Losses) Members() int64 {
	n := l.Others
	for _, u := range l.Undeclared {
		n += u.Members
	}
	return n
}

// Add adds those of another file, or of another part of this one.
func (l *Losses) Add(o *Losses) {
	l.Nulled += o.Nulled
	l.Others += o.Others
	if len(o.Undeclared) == 0 {
		return
	}
	all := slices.Concat(l.Undeclared, o.Undeclared)
	slices.SortFunc(all, func(a, b Undeclared) int { return strings.Compare(a.Path, b.Path) })
	n := 0
	for _, u := range all {
		if n > 0 && all[n-1].Path == u.Path {
			all[n-1].Members += u.Members
			continue
		}
		all[n] = u
		n++
	}
	all = all[:n]
	slices.SortFunc(all, func(a, b Undeclared) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), strings.Compare(a.Path, b.Path))
	})
	for _, u := range all[min(n, MaxUndeclared):] {
		l.Others += u.Members
	}
	l.Undeclared = slices.Clip(all[:min(n, MaxUndeclared)])
}

// Names returns some of the paths, for people: those of most members.
func (l *Losses) Names() string {
	const shown, longest = 8, 64
	var names []string
	for _, u := range l.Undeclared[:min(len(l.Undeclared), shown)] {
		name := u.Path
		if len(name) > longest {
			name = strings.ToValidUTF8(name[:longest], "") + "..."
		}
		names = append(names, name)
	}
	if len(l.Undeclared) > shown || l.Others > 0 {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}
