package eventfile

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
)

// manyProperties is from how many entries on a table finds those of the same name.
const manyProperties = 16

// span is one property in the bytes of a row.
type span struct {
	begin, keyEnd, end int
	dropped            bool // a later one has its name
}

// properties is memory for those of one row.
type properties struct {
	spans   []span
	dropped bool
	seed    maphash.Seed
	slots   []int32 // numbers of spans plus 1, where there are many
}

// properties appends the properties of the next row, and nothing of use where a flaw is returned.
// The room is how many bytes they may take.
func (r *reader) properties(ctx context.Context, out []byte, room int) ([]byte, flaw, error) {
	keys, values := &r.leaves[keyColumn], &r.leaves[propertyColumn]
	if keys.next == keys.n || values.next == values.n {
		if err := r.pair(ctx, true); err != nil {
			return out, 0, err
		}
	}
	if keys.rep[keys.next] != 0 || values.rep[values.next] != 0 {
		return out, 0, refuse("column properties: a row begins in the middle of a map")
	}
	entryDef := uint32(keys.kind.entryDef)
	if def := keys.def[keys.next]; def < entryDef {
		if values.def[values.next] != def {
			return out, 0, errUneven
		}
		keys.next++
		values.next++
		if def < uint32(keys.kind.mapDef) {
			return append(out, "null"...), 0, r.pairEnd(ctx)
		}
		return append(out, "{}"...), 0, r.pairEnd(ctx)
	}
	p := &r.props
	p.spans, p.dropped = p.spans[:0], false
	start := len(out)
	out = append(out, '{')
	var flaws flaw
	for {
		if keys.def[keys.next] < entryDef || values.def[values.next] < entryDef {
			return out, 0, errUneven
		}
		if flaws&tooLong == 0 {
			out, flaws = r.entry(out, flaws)
			if len(out)-start > room {
				flaws |= tooLong
			}
		} else {
			keys.pass()
			values.pass()
		}
		if keys.next == keys.n || values.next == values.n {
			err := r.pair(ctx, false)
			if errors.Is(err, errEnd) {
				break
			}
			if err != nil {
				return out, 0, err
			}
		}
		if keys.rep[keys.next] == 0 {
			break
		}
		if values.rep[values.next] == 0 {
			return out, 0, errUneven
		}
	}
	if keys.next < keys.n && values.next < values.n && values.rep[values.next] != 0 {
		return out, 0, errUneven
	}
	if p.dropped && flaws == 0 {
		out = p.compact(out, start)
	}
	return append(out, '}'), flaws, nil
}

var errUneven = refuse("column properties: its keys and its values do not belong together")

// pair makes sure that both columns have their next value decoded. If must is
// not set, both may end: errEnd.
func (r *reader) pair(ctx context.Context, must bool) error {
	ended := 0
	for c := keyColumn; c <= propertyColumn; c++ {
		l := &r.leaves[c]
		for l.next == l.n {
			err := l.decode(ctx)
			if errors.Is(err, errEnd) && !must {
				ended++
				break
			}
			if errors.Is(err, errEnd) {
				return refuse("column %s: has fewer values than its row group has rows", l.name)
			}
			if err != nil {
				return err
			}
		}
	}
	switch ended {
	case 0:
		return nil
	case 1:
		return errUneven
	}
	return errEnd
}

// pairEnd checks that a row ends where its only value was read.
func (r *reader) pairEnd(ctx context.Context) error {
	switch err := r.pair(ctx, false); {
	case errors.Is(err, errEnd):
		return nil
	case err != nil:
		return err
	}
	if r.leaves[keyColumn].rep[r.leaves[keyColumn].next] != 0 || r.leaves[propertyColumn].rep[r.leaves[propertyColumn].next] != 0 {
		return refuse("column properties: a map has entries after its end")
	}
	return nil
}

// pass moves over the next value.
func (l *leaf) pass() {
	if !l.null() {
		l.v++
	}
}

// entry appends one property.
func (r *reader) entry(out []byte, flaws flaw) ([]byte, flaw) {
	p := &r.props
	if len(p.spans) > 0 {
		out = append(out, ',')
	}
	s := span{begin: len(out)}
	var answer int
	out, answer = r.leaves[keyColumn].appendText(out)
	s.keyEnd = len(out)
	if answer == textNull {
		flaws |= nullProperty
	}
	flaws |= flawOf(answer)
	out = append(out, ':')
	out, answer = r.leaves[propertyColumn].appendText(out)
	if answer == textNull {
		out = append(out, "null"...)
	}
	flaws |= flawOf(answer)
	s.end = len(out)
	p.drop(out, s)
	p.spans = append(p.spans, s)
	return out, flaws
}

func flawOf(answer int) flaw {
	switch answer {
	case textBad:
		return badProperty
	case textLong:
		return tooLong
	}
	return 0
}

// drop marks the property of the same name that came before s.
func (p *properties) drop(out []byte, s span) {
	key := out[s.begin:s.keyEnd]
	if len(p.spans) < manyProperties {
		for i := range p.spans {
			if o := &p.spans[i]; !o.dropped && bytes.Equal(out[o.begin:o.keyEnd], key) {
				o.dropped, p.dropped = true, true
			}
		}
		return
	}
	if len(p.spans) == manyProperties || len(p.spans)*2 > len(p.slots) {
		p.rebuild(out)
	}
	at := p.find(out, key)
	if i := p.slots[at]; i > 0 {
		p.spans[i-1].dropped, p.dropped = true, true
	}
	p.slots[at] = int32(len(p.spans) + 1)
}

// find returns the slot of a key, or the free one where it belongs.
func (p *properties) find(out, key []byte) int {
	mask := len(p.slots) - 1
	at := int(maphash.Bytes(p.seed, key)) & mask
	for p.slots[at] > 0 {
		if o := p.spans[p.slots[at]-1]; bytes.Equal(out[o.begin:o.keyEnd], key) {
			break
		}
		at = (at + 1) & mask
	}
	return at
}

// rebuild makes the table anew, four times as large as there are properties.
func (p *properties) rebuild(out []byte) {
	if p.slots == nil {
		p.seed = maphash.MakeSeed()
	}
	size := 4 * manyProperties
	for size < 4*len(p.spans) {
		size *= 2
	}
	if size <= cap(p.slots) {
		p.slots = p.slots[:size]
		clear(p.slots)
	} else {
		p.slots = make([]int32, size)
	}
	for i, s := range p.spans {
		if !s.dropped {
			p.slots[p.find(out, out[s.begin:s.keyEnd])] = int32(i + 1)
		}
	}
}

// compact removes the properties that were dropped.
func (p *properties) compact(out []byte, start int) []byte {
	to := start + 1
	for _, s := range p.spans {
		if s.dropped {
			continue
		}
		if to > start+1 {
			out[to] = ','
			to++
		}
		to += copy(out[to:], out[s.begin:s.end])
	}
	return out[:to]
}
