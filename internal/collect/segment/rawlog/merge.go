package rawlog

import "bytes"

// appendKey appends the key of a member and a colon, as sent.
func (t *tree) appendKey(dst []byte, n *node) []byte {
	if n.flags&sickKey == 0 {
		dst = append(dst, t.body[n.key-1:n.keyEnd+1]...)
		return append(dst, ':')
	}
	dst = append(dst, '"')
	dst = appendMended(dst, t.body[n.key:n.keyEnd])
	return append(dst, '"', ':')
}

// appendValue appends a value without white space and with sorted keys. It
// recurses as deep as the value nests, MaxDepth at most.
func (t *tree) appendValue(dst []byte, at uint32) []byte {
	n := &t.nodes[at]
	switch {
	case n.flags&plain != 0:
		return append(dst, t.body[n.off:n.end]...)
	case n.kind == object:
		return t.appendObjects(dst, 0, at, nil)
	case n.kind == array:
		dst = append(dst, '[')
		for e := n.child; e != 0; e = t.nodes[e].next {
			dst = t.appendValue(dst, e)
			dst = append(dst, ',')
		}
		return closed(dst, ']')
	}
	return appendMended(dst, t.body[n.off:n.end]) // only texts are never plain
}

// closed ends a container whose last member, if any, left a comma.
func closed(dst []byte, end byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = end
		return dst
	}
	return append(dst, end)
}

// appendMerged appends above, which counts, with what it lacks from below: two
// objects are merged, member by member. Nothing is appended if neither is there.
func (t *tree) appendMerged(dst []byte, below, above uint32) []byte {
	switch {
	case above == 0 && below == 0:
		return dst
	case above == 0:
		return t.appendValue(dst, below)
	case below == 0 || t.nodes[above].kind != object || t.nodes[below].kind != object:
		return t.appendValue(dst, above)
	}
	return t.appendObjects(dst, below, above, nil)
}

// appendObjects appends the object above merged with the object below, either
// of which may be 0 for none, and with ip, if there is one, as their ip.
func (t *tree) appendObjects(dst []byte, below, above uint32, ip []byte) []byte {
	var x, y uint32 // the next members of below and above
	if below != 0 {
		x = t.nodes[below].child
	}
	if above != 0 {
		y = t.nodes[above].child
	}
	dst = append(dst, '{')
	for x != 0 || y != 0 {
		order := t.order(x, y)
		m := x
		if order >= 0 {
			m = y
		}
		n := &t.nodes[m]
		if len(ip) > 0 {
			c := bytes.Compare(t.decodedKey(n), []byte("ip"))
			if c >= 0 {
				dst = appendIP(dst, ip)
				ip = nil
			}
			if c == 0 { // a null: it gives way
				x, y = t.advance(x, y, order)
				continue
			}
		}
		dst = t.appendKey(dst, n)
		if order == 0 {
			dst = t.appendMerged(dst, x, y)
		} else {
			dst = t.appendValue(dst, m)
		}
		dst = append(dst, ',')
		x, y = t.advance(x, y, order)
	}
	if len(ip) > 0 {
		dst = appendIP(dst, ip)
	}
	return closed(dst, '}')
}

func appendIP(dst, ip []byte) []byte {
	dst = append(dst, `"ip":`...)
	dst = append(dst, ip...)
	return append(dst, ',')
}

// order compares the keys of two members, of which one may be 0 for none.
func (t *tree) order(x, y uint32) int {
	switch {
	case y == 0:
		return -1
	case x == 0:
		return 1
	}
	return t.compareKeys(&t.nodes[x], &t.nodes[y])
}

// advance goes past the member that order chose, or past both.
func (t *tree) advance(x, y uint32, order int) (uint32, uint32) {
	if order <= 0 {
		x = t.nodes[x].next
	}
	if order >= 0 {
		y = t.nodes[y].next
	}
	return x, y
}
