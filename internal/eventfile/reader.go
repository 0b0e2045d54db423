package eventfile

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"strm/internal/jsonscan"
)

// chunkBytes is when a chunk ends.
const chunkBytes = 1 << 20

// reader is one reading of a file.
type reader struct {
	f      *File
	mem    memory
	work   work
	unpack unpacker
	leaves [columns]leaf
	props  properties
	known  map[string]bool // environment ids as JSON strings
	tally  *Tally
	from   int64

	group int   // the next row group
	left  int64 // rows of the one before it that were not read
	open  bool  // there is such a one
	row   int64 // the next row of the file
	out   []byte

	lastID     []byte // the id that was seen last, as JSON, and its number
	lastNumber int
	name       []byte
}

func newReader(f *File, from int64, check Check, t *Tally) *reader {
	r := &reader{f: f, from: max(from, 0), tally: t, known: map[string]bool{}}
	r.mem = memory{left: f.limits.Memory, all: f.limits.Memory}
	most := f.limits.most(f.stored)
	r.work = work{left: most, all: most}
	for _, id := range check.Environments {
		if quoted, ok := appendQuoted(nil, []byte(id)); ok {
			r.known[string(quoted)] = true
		}
	}
	for c := range r.leaves {
		l := &r.leaves[c]
		l.kind, l.name, l.limit = f.table.leaves[c], columnNames[c], f.limits.Row
		l.pages = pages{src: f.temp, mem: &r.mem, work: &r.work, unpack: &r.unpack}
	}
	return r
}

func (r *reader) close() { r.unpack.close() }

// next reads rows until a chunk is full or the file ends. The rows of the
// chunk were read, also where there is an error.
func (r *reader) next(ctx context.Context) (c Chunk, more bool, err error) {
	r.out = r.out[:0]
	c.From = max(r.row, r.from)
	defer func() {
		c.To, c.Data = r.row, r.out
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	for len(r.out) < chunkBytes {
		if r.left == 0 {
			if more, err = r.nextGroup(ctx); !more || err != nil {
				return c, false, err
			}
			continue
		}
		n, err := r.ready(ctx)
		if err != nil {
			return c, false, err
		}
		if err := r.rows(ctx, n, &c.Accepted); err != nil {
			return c, false, err
		}
	}
	return c, true, nil
}

// panicked makes an error of a panic of a decoder: its input was damaged. What
// is not about input, such as a lack of memory, cannot be recovered from, and a nil
// pointer is a fault of ours; both end as a status as well, because reading the file again would do the same.
func panicked(p any) error {
	var re runtime.Error
	if err, ok := p.(error); ok && errors.As(err, &re) {
		return refuse("a page is damaged in a way that its decoder does not notice (%v)", re)
	}
	return refuse("a page is damaged in a way that its decoder does not notice (%v)", p)
}

// nextGroup ends one row group and begins the next. It returns false after the last.
func (r *reader) nextGroup(ctx context.Context) (bool, error) {
	if r.open {
		r.open = false
		for c := range r.leaves {
			l := &r.leaves[c]
			if !l.kind.present {
				continue
			}
			if l.next < l.n {
				return false, l.tooMany()
			}
			switch err := l.decode(ctx); {
			case err == nil:
				return false, l.tooMany()
			case !errors.Is(err, errEnd):
				return false, err
			}
		}
	}
	if r.group == len(r.f.table.groups) {
		if r.from > r.row {
			return false, fmt.Errorf("reading from row %d was asked for, of a file of %d rows", r.from, r.row)
		}
		return false, nil
	}
	g := &r.f.table.groups[r.group]
	r.group++
	if g.rows == 0 {
		return true, nil
	}
	for c := range r.leaves {
		if l := &r.leaves[c]; l.kind.present {
			l.open(g.chunks[c], r.f.table.end)
		}
	}
	r.left, r.open = g.rows, true
	return true, nil
}

func (l *leaf) tooMany() error {
	return refuse("column %s: has more values than its row group has rows", l.name)
}

// ready decodes what is needed and returns how many rows can be read of the flat columns.
func (r *reader) ready(ctx context.Context) (int, error) {
	n := int64(blockLen)
	for c := range keyColumn {
		l := &r.leaves[c]
		if !l.kind.present {
			continue
		}
		for l.next == l.n {
			if err := l.more(ctx); err != nil {
				return 0, err
			}
		}
		n = min(n, int64(l.n-l.next))
	}
	return int(min(n, r.left)), nil
}

// more is decode where values must come.
func (l *leaf) more(ctx context.Context) error {
	err := l.decode(ctx)
	if errors.Is(err, errEnd) {
		return refuse("column %s: has fewer values than its row group has rows", l.name)
	}
	return err
}

// null moves to the next row and says whether it has no value.
func (l *leaf) null() bool {
	i := l.next
	l.next++
	return !l.full && l.def[i] != uint32(l.kind.maxDef)
}

// Answers of appendText.
const (
	textFine = iota
	textNull
	textBad
	textLong
)

// appendText appends the next text, quoted. It appends nothing if there is none that can be.
func (l *leaf) appendText(out []byte) ([]byte, int) {
	if l.null() {
		return out, textNull
	}
	return l.appendValue(out)
}

func (l *leaf) appendValue(out []byte) ([]byte, int) {
	v := l.v
	l.v++
	if l.encoding == encDict {
		x := l.index[v]
		s := l.dict.json[l.dict.ends[x]:l.dict.ends[x+1]]
		switch {
		case len(s) == 0:
			return out, textBad
		case len(s) > l.limit || len(s) == 1:
			return out, textLong
		}
		return append(out, s...), textFine
	}
	s := l.text[l.from[v]:l.to[v]]
	if len(s) > l.limit {
		return out, textLong
	}
	out, ok := appendQuoted(out, s)
	if !ok {
		return out, textBad
	}
	return out, textFine
}

// members are what stands before the values of the flat columns.
var members = [keyColumn]string{`{"environmentId":`, `,"trafficTypeId":`, `,"eventTypeId":`, `,"key":`, `,"timestamp":`, `,"value":`}

// rows reads n rows, or as many as a chunk takes.
func (r *reader) rows(ctx context.Context, n int, accepted *int) error {
	leaves := &r.leaves
	out, whole := r.out, len(r.out) // the length of whole rows
	limit := r.f.limits.Row
	defer func() { r.out = out[:whole] }()
	for ; n > 0 && len(out) < chunkBytes; n-- {
		start := len(out)
		var g group
		for c := environmentColumn; c < timestampColumn; c++ {
			out = append(out, members[c]...)
			at := len(out)
			var answer int
			out, answer = leaves[c].appendText(out)
			switch answer {
			case textNull:
				g.flaws |= nullEnvironment << c
			case textBad:
				g.flaws |= badEnvironment << c
			case textLong:
				g.flaws |= tooLong
			default:
				if c == environmentColumn {
					g.environment = r.environment(out[at:])
				}
			}
		}
		out = append(out, members[timestampColumn]...)
		if l := &leaves[timestampColumn]; l.null() {
			g.flaws |= nullTimestamp
		} else {
			t := int64(l.bits[l.v])
			l.v++
			g.time = periodOf(t)
			out = strconv.AppendInt(out, t, 10)
		}
		out = append(out, members[valueColumn]...)
		if l := &leaves[valueColumn]; !l.kind.present || l.null() {
			out = append(out, "null"...)
		} else {
			var ok bool
			if out, ok = appendDoubleBits(out, l.bits[l.v]); !ok {
				g.flaws |= badValue
			}
			l.v++
		}
		out = append(out, `,"properties":`...)
		if !leaves[keyColumn].kind.present {
			out = append(out, "null"...)
		} else {
			var err error
			var flaws flaw
			out, flaws, err = r.properties(ctx, out, limit-(len(out)-start))
			if err != nil {
				return err
			}
			g.flaws |= flaws
		}
		out = append(out, '}', '\n')
		if len(out)-start-1 > limit {
			g.flaws |= tooLong
		}
		if err := r.work.spend(int64(len(out) - start)); err != nil {
			return err
		}
		r.left--
		r.row++
		if g != (group{}) {
			r.tally.refuse(g)
			out = out[:start]
			continue
		}
		r.tally.accepted++
		if r.row <= r.from {
			out = out[:start]
			continue
		}
		whole = len(out)
		*accepted++
	}
	return nil
}

// environment returns 0 for an id that is known, and else its number. It gets the id as JSON.
func (r *reader) environment(id []byte) int {
	if string(id) == string(r.lastID) {
		return r.lastNumber
	}
	number := 0
	if !r.known[string(id)] {
		r.name = jsonscan.Unquote(r.name[:0], id[1:len(id)-1])
		number = r.tally.unknown(r.name)
	}
	r.lastID, r.lastNumber = append(r.lastID[:0], id...), number
	return number
}

// periodOf says what a timestamp is wrong by: in milliseconds, what has 12 to 14 digits
// is between 1973 and 5138, while seconds have 10 digits today, and microseconds 16.
func periodOf(t int64) period {
	switch {
	case t >= 1e11 && t < 1e14:
		return inMillis
	case t <= 0:
		return notPositive
	case t < 1e8:
		return tooSmall
	case t < 1e11:
		return inSeconds
	case t < 1e17:
		return inMicros
	}
	return inNanos
}
