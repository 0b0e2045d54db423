package parquet

import (
	"strm/internal/columns"
	"strm/internal/format"
)

// count makes the writer count the members that the schema has no place for, at
// every depth.
func (w *writer) count() {
	w.counts = true
	w.lookup.Count(&w.tally)
	w.lookup.Ignore(w.ignored...)
	for _, n := range w.root {
		n.count(&w.tally)
	}
}

func (n *node) count(t *columns.Tally) {
	if n.lookup != nil {
		n.lookup.Count(t)
	}
	for _, kid := range n.kids {
		kid.count(t)
	}
}

// losses returns what the file does not hold of its events.
func (w *writer) losses() format.Losses {
	var all format.Losses
	lost := format.Losses{Others: w.tally.More}
	for _, reasons := range w.nulled {
		for _, n := range reasons {
			lost.Nulled += n
		}
	}
	add := func(path string, members int64) {
		lost.Undeclared = append(lost.Undeclared, format.Undeclared{Path: path, Members: members})
	}
	w.lookup.Counted(add)
	for _, n := range w.root {
		n.counted(n.name, add)
	}
	all.Add(&lost) // joins the same paths of several branches
	return all
}

// counted tells the members below a node whose path is given.
func (n *node) counted(path string, add func(path string, members int64)) {
	if n.lookup != nil {
		n.lookup.Counted(func(name string, members int64) { add(path+"."+name, members) })
	}
	for _, kid := range n.kids {
		at := path
		switch n.kind {
		case columns.Object:
			at += "." + kid.name
		case columns.List:
			at += ".[]"
		case columns.Map:
			at += ".*"
		case columns.Union, columns.JSON, columns.String, columns.Bool, columns.Int64, columns.Double, columns.Date, columns.Time, columns.Timestamp, columns.Millis:
		}
		kid.counted(at, add)
	}
}

// byPath is how losses stand in the file.
func byPath(l *format.Losses) map[string]int64 {
	out := make(map[string]int64, len(l.Undeclared)+1)
	for _, u := range l.Undeclared {
		out[u.Path] += u.Members
	}
	if l.Others > 0 {
		out[""] += l.Others
	}
	return out
}
