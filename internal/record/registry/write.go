package registry

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
)

// appendFloat appends the shortest number that reads back as f, null for what
// JSON has no number for.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// maxDecimal is how many bytes a decimal may have: over 2,400 digits. Beyond it,
// writing one out would cost more than reading it did by far.
const maxDecimal = 1_000

// appendDecimal appends a big-endian two's complement number with scale digits
// behind the point, as text.
func appendDecimal(dst, b []byte, scale int) ([]byte, error) {
	if len(b) > maxDecimal {
		return dst, fmt.Errorf("a decimal of %d bytes; at most %d are read", len(b), maxDecimal)
	}
	var v big.Int
	v.SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		v.Sub(&v, new(big.Int).Lsh(big.NewInt(1), uint(len(b))*8))
	}
	dst = append(dst, '"')
	if v.Sign() < 0 {
		dst = append(dst, '-')
		v.Neg(&v)
	}
	start := len(dst)
	for range scale {
		dst = append(dst, '0')
	}
	digits := v.Append(nil, 10)
	if len(digits) > scale {
		dst = append(dst[:start], digits[:len(digits)-scale]...)
		if scale > 0 {
			dst = append(append(dst, '.'), digits[len(digits)-scale:]...)
		}
		return append(dst, '"'), nil
	}
	copy(dst[len(dst)-len(digits):], digits)
	fraction := append([]byte("0."), dst[start:]...)
	return append(append(dst[:start], fraction...), '"'), nil
}

func appendUUID(dst, b []byte) []byte {
	dst = append(dst, '"')
	for i, end := range [...]int{4, 6, 8, 10, 16} {
		if i > 0 {
			dst = append(dst, '-')
		}
		from := [...]int{0, 4, 6, 8, 10}[i]
		dst = hex.AppendEncode(dst, b[from:end])
	}
	return append(dst, '"')
}

// appendDuration appends months, days and milliseconds as ISO 8601 has them.
func appendDuration(dst, b []byte) []byte {
	months, days, millis := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	return fmt.Appendf(dst, `"P%dM%dDT%d.%03dS"`, months, days, millis/1000, millis%1000)
}

// number writes what is an int or a long in Avro.
func (w *walker) number(n *node) error {
	bits := 64
	if n.kind == kindInt || n.kind == kindDate || n.kind == kindTime && n.units == 1e3 {
		bits = 32
	}
	v, err := w.varint(bits)
	if err != nil {
		return err
	}
	switch n.kind { //nolint:exhaustive // others are no numbers
	case kindDate:
		w.out = append(w.out, '"')
		w.out = appendDay(w.out, time.Unix(v*24*60*60, 0).UTC())
		w.out = append(w.out, '"')
	case kindTime:
		if v < 0 || v >= 24*60*60*n.units {
			return fmt.Errorf("%d for a time of day, in parts of 1/%d s", v, n.units)
		}
		w.out = append(w.out, '"')
		w.out = appendClock(w.out, v/n.units, v%n.units, n.digits)
		w.out = append(w.out, '"')
	case kindTimestamp:
		seconds, rest := v/n.units, v%n.units
		if rest < 0 {
			seconds, rest = seconds-1, rest+n.units
		}
		t := time.Unix(seconds, 0).UTC()
		w.out = append(w.out, '"')
		w.out = append(appendDay(w.out, t), 'T')
		w.out = appendClock(w.out, int64(t.Hour()*3600+t.Minute()*60+t.Second()), rest, n.digits)
		if !n.local {
			w.out = append(w.out, 'Z')
		}
		w.out = append(w.out, '"')
	default:
		w.out = strconv.AppendInt(w.out, v, 10)
	}
	return nil
}

// appendDay appends a date; years that have no four digits get a sign and six or
// more, as ISO 8601 has it.
func appendDay(dst []byte, t time.Time) []byte {
	if y := t.Year(); y < 0 || y > 9999 {
		dst = fmt.Appendf(dst, "%+07d", y)
	} else {
		dst = appendDigits(dst, int64(y), 4)
	}
	dst = appendDigits(append(dst, '-'), int64(t.Month()), 2)
	return appendDigits(append(dst, '-'), int64(t.Day()), 2)
}

func appendClock(dst []byte, seconds, rest int64, digits int) []byte {
	dst = appendDigits(dst, seconds/3600, 2)
	dst = appendDigits(append(dst, ':'), seconds/60%60, 2)
	dst = appendDigits(append(dst, ':'), seconds%60, 2)
	return appendDigits(append(dst, '.'), rest, digits)
}

// appendDigits appends v, which has at most n digits, with zeros before it.
func appendDigits(dst []byte, v int64, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; v > 0; i, v = i-1, v/10 {
		dst[i] = byte('0' + v%10)
	}
	return dst
}
