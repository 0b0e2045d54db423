package registry

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"unicode/utf8"

	"strm/internal/jsontoken"
	"strm/internal/record"
)

// walker goes over one value by its schema and writes JSON. It holds nothing but
// what the value has: lengths that a value claims are compared with the bytes
// that are there, and what needs no bytes ends at the limit of the line.
type walker struct {
	in    []byte // what is left of the value
	size  int    // of the whole value
	out   []byte
	limit int // out may have as many bytes
	depth int

	members []member // of maps that are being read
	scratch []byte
}

// member is a member of a map: its key as the value has it, and where key and
// value stand in walker.out.
type member struct {
	key       []byte
	from, end int
}

var walkers = sync.Pool{New: func() any { return new(walker) }}

// keep is what a walker may take back to the pool.
const keep = 1 << 20

var (
	errEnd   = errors.New("the value ends too early")
	errLimit = errors.New("too many bytes")
	errDepth = fmt.Errorf("nested deeper than %d levels", record.MaxDepth)
)

// appendLine appends the value as a line of at most limit bytes before its '\n'.
func (n *node) appendLine(dst, value []byte, limit int) ([]byte, error) {
	w := walkers.Get().(*walker)
	start := len(dst)
	w.in, w.size, w.out, w.limit, w.depth = value, len(value), dst, start+limit, 0
	err := w.value(n)
	out, left := w.out, len(w.in)
	w.in, w.out = nil, nil
	if cap(w.members) <= keep/32 && cap(w.scratch) <= keep {
		clear(w.members[:cap(w.members)])
		w.members, w.scratch = w.members[:0], w.scratch[:0]
		walkers.Put(w)
	}
	switch {
	case err == nil && len(out)-start > limit, errors.Is(err, errLimit):
		return out[:start], record.TooLarge(limit)
	case err != nil:
		return out[:start], record.Invalid("byte %d of the Avro value: %w", len(value)-left, err)
	case left > 0:
		return out[:start], record.Invalid("%d bytes follow the Avro value", left)
	case out[start] != '{':
		return out[:start], record.Invalid("the Avro value is no record: an event must be a JSON object")
	}
	return append(out, '\n'), nil
}

// varint reads a zigzag number of at most bits bits.
func (w *walker) varint(bits int) (int64, error) {
	u, n := binary.Uvarint(w.in)
	if n == 0 {
		return 0, errEnd
	}
	if n < 0 || bits < 64 && u>>bits != 0 {
		return 0, fmt.Errorf("a number of more than %d bits", bits)
	}
	w.in = w.in[n:]
	return int64(u>>1) ^ -int64(u&1), nil
}

// take takes n bytes off the value.
func (w *walker) take(n int64) ([]byte, error) {
	if n < 0 {
		return nil, errors.New("a negative length")
	}
	if n > int64(len(w.in)) {
		return nil, errEnd
	}
	b := w.in[:n]
	w.in = w.in[n:]
	return b, nil
}

// sized takes the bytes that follow their length.
func (w *walker) sized() ([]byte, error) {
	n, err := w.varint(64)
	if err != nil {
		return nil, err
	}
	return w.take(n)
}

func (w *walker) value(n *node) error {
	if len(w.out) > w.limit {
		return errLimit
	}
	switch n.kind {
	case kindNull:
		w.out = append(w.out, "null"...)
	case kindBoolean:
		return w.boolean()
	case kindInt, kindLong, kindDate, kindTime, kindTimestamp:
		return w.number(n)
	case kindFloat, kindDouble:
		return w.float(n)
	case kindString:
		b, err := w.sized()
		if err != nil {
			return err
		}
		return w.text(b)
	case kindBytes, kindDecimalBytes:
		b, err := w.sized()
		if err != nil {
			return err
		}
		return w.binary(n, b)
	case kindFixed, kindDecimalFixed, kindUUIDFixed, kindDuration:
		b, err := w.take(int64(n.size))
		if err != nil {
			return err
		}
		return w.binary(n, b)
	case kindEnum:
		i, err := w.varint(32)
		if err != nil {
			return err
		}
		if i < 0 || i >= int64(len(n.names)) {
			return fmt.Errorf("symbol %d of an enum with %d", i, len(n.names))
		}
		w.out = append(w.out, n.names[i]...)
	case kindUnion:
		i, err := w.varint(64)
		if err != nil {
			return err
		}
		if i < 0 || i >= int64(len(n.nodes)) {
			return fmt.Errorf("branch %d of a union with %d", i, len(n.nodes))
		}
		return w.value(n.nodes[i])
	case kindRecord:
		return w.within(n, (*walker).record)
	case kindArray:
		return w.within(n, (*walker).array)
	case kindMap:
		return w.within(n, (*walker).mapping)
	}
	return nil
}

// within counts how deep a container stands.
func (w *walker) within(n *node, read func(*walker, *node) error) error {
	if w.depth == record.MaxDepth {
		return errDepth
	}
	w.depth++
	err := read(w, n)
	w.depth--
	return err
}

func (w *walker) boolean() error {
	b, err := w.take(1)
	switch {
	case err != nil:
		return err
	case b[0] == 0:
		w.out = append(w.out, "false"...)
	case b[0] == 1:
		w.out = append(w.out, "true"...)
	default:
		return fmt.Errorf("0x%02x for a boolean", b[0])
	}
	return nil
}

func (w *walker) float(n *node) error {
	if n.kind == kindFloat {
		b, err := w.take(4)
		if err != nil {
			return err
		}
		w.out = appendFloat(w.out, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), 32)
		return nil
	}
	b, err := w.take(8)
	if err != nil {
		return err
	}
	w.out = appendFloat(w.out, math.Float64frombits(binary.LittleEndian.Uint64(b)), 64)
	return nil
}

func (w *walker) text(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("a string that is not UTF-8")
	}
	w.out = jsontoken.AppendQuoted(w.out, b)
	return nil
}

// binary writes what is bytes in Avro.
func (w *walker) binary(n *node, b []byte) error {
	var err error
	switch n.kind { //nolint:exhaustive // others are not bytes
	case kindDecimalBytes, kindDecimalFixed:
		w.out, err = appendDecimal(w.out, b, n.scale)
	case kindUUIDFixed:
		w.out = appendUUID(w.out, b)
	case kindDuration:
		w.out = appendDuration(w.out, b)
	default:
		w.out = append(w.out, '"')
		w.out = base64.StdEncoding.AppendEncode(w.out, b)
		w.out = append(w.out, '"')
	}
	return err
}

func (w *walker) record(n *node) error {
	w.out = append(w.out, '{')
	for i, field := range n.nodes {
		if i > 0 {
			w.out = append(w.out, ',')
		}
		w.out = append(w.out, n.names[i]...)
		if err := w.value(field); err != nil {
			return err
		}
	}
	w.out = append(w.out, '}')
	return nil
}

// block reads the head of a run of items: how many there are, 0 for the end.
func (w *walker) block() (int64, error) {
	n, err := w.varint(64)
	if err != nil || n >= 0 {
		return n, err
	}
	if n == math.MinInt64 {
		return 0, errors.New("a negative length")
	}
	if _, err := w.varint(64); err != nil { // the run's bytes, for those who skip it
		return 0, err
	}
	return -n, nil
}

// items calls item for each item of an array or a map, run by run.
func (w *walker) items(item func() error) error {
	for {
		count, err := w.block()
		if err != nil || count == 0 {
			return err
		}
		for ; count > 0; count-- {
			if err := item(); err != nil {
				return err
			}
		}
	}
}

func (w *walker) array(n *node) error {
	w.out = append(w.out, '[')
	first := true
	err := w.items(func() error {
		if !first {
			w.out = append(w.out, ',')
		}
		first = false
		return w.value(n.nodes[0])
	})
	w.out = append(w.out, ']')
	return err
}

// mapping writes a map by its keys, in the order of their bytes: writers do not
// agree on any other. Of a key that is there twice, the last counts, as it does
// for Avro's own readers.
func (w *walker) mapping(n *node) error {
	w.out = append(w.out, '{')
	first, start := len(w.members), len(w.out)
	sorted := true
	err := w.items(func() (err error) {
		m := member{from: len(w.out)}
		if m.key, err = w.sized(); err != nil {
			return err
		}
		if err := w.text(m.key); err != nil {
			return err
		}
		w.out = append(w.out, ':')
		if err := w.value(n.nodes[0]); err != nil {
			return err
		}
		m.end = len(w.out)
		w.out = append(w.out, ',')
		if k := len(w.members); k > first && bytes.Compare(w.members[k-1].key, m.key) >= 0 {
			sorted = false
		}
		w.members = append(w.members, m)
		return nil
	})
	if err != nil {
		return err
	}
	if !sorted {
		w.sort(w.members[first:], start)
	}
	if len(w.members) > first {
		w.out = w.out[:len(w.out)-1] // the last comma
	}
	w.members = w.members[:first]
	w.out = append(w.out, '}')
	return nil
}

// sort writes the members, which begin at start, anew.
func (w *walker) sort(members []member, start int) {
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
	w.scratch = w.scratch[:0]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(m.key, members[i+1].key) {
			continue
		}
		w.scratch = append(append(w.scratch, w.out[m.from:m.end]...), ',')
	}
	w.out = append(w.out[:start], w.scratch...)
}
