package columns

import (
	"math"
	"strconv"
)

// Fit says whether a value fits its column.
type Fit uint8

// The answers.
const (
	Fits     Fit = iota
	Unfit        // another type, or text that is not a date, a time, ...
	TooLarge     // the right type, but more than the column can hold
)

// Reason returns the reason of the change that a value which does not fit makes.
func (f Fit) Reason() string {
	if f == TooLarge {
		return TooLargeValue
	}
	return NotConverted
}

// ToInt64 returns the value of a JSON number that is whole: 5, 5.0 and 5e2 are.
func ToInt64(v []byte) (int64, Fit) {
	i, neg := 0, false
	if len(v) > 0 && v[0] == '-' {
		i, neg = 1, true
	}
	if i == len(v) {
		return 0, Unfit
	}
	var n uint64
	for ; i < len(v); i++ {
		c := v[i] - '0'
		if c > 9 {
			return wholeFloat(v)
		}
		if n > (math.MaxUint64-9)/10 {
			return largeInt(v[i:], v)
		}
		n = n*10 + uint64(c)
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), Fits
	case !neg && n < 1<<63:
		return int64(n), Fits
	}
	return 0, TooLarge
}

// largeInt judges a number whose first digits exceed 64 bits.
func largeInt(rest, v []byte) (int64, Fit) {
	for _, c := range rest {
		if c < '0' || c > '9' {
			return wholeFloat(v)
		}
	}
	return 0, TooLarge
}

// wholeFloat reads a number with a fraction or an exponent. Beyond 2^53 a
// double cannot tell neighbours apart, so it does not fit.
func wholeFloat(v []byte) (int64, Fit) {
	f, fit := ToDouble(v)
	switch {
	case fit != Fits:
		return 0, fit
	case math.Abs(f) > 1<<53:
		return 0, TooLarge
	case f != math.Trunc(f):
		return 0, Unfit
	}
	return int64(f), Fits
}

// pow10 are the powers of ten that a double holds exactly.
var pow10 = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// ToDouble returns the nearest double of a JSON number.
func ToDouble(v []byte) (float64, Fit) {
	// Short decimals exactly: a whole number below 2^53 divided by an exact power
	// of ten is rounded once, as it must be.
	i, neg, frac, digits := 0, false, -1, 0
	if len(v) > 0 && v[0] == '-' {
		i, neg = 1, true
	}
	var n uint64
	for ; i < len(v) && digits <= 15; i++ {
		c := v[i] - '0'
		if c <= 9 {
			n = n*10 + uint64(c)
			digits++
			if frac >= 0 {
				frac++
			}
			continue
		}
		if v[i] == '.' && frac < 0 && digits > 0 {
			frac = 0
			continue
		}
		break
	}
	if i == len(v) && digits > 0 && digits <= 15 && frac != 0 {
		f := float64(n)
		if frac > 0 {
			f /= pow10[frac]
		}
		if neg {
			f = -f
		}
		return f, Fits
	}
	f, err := strconv.ParseFloat(string(v), 64)
	switch {
	case err == nil && !math.IsInf(f, 0) && !math.IsNaN(f):
		return f, Fits
	case math.IsInf(f, 0) && len(v) > 0 && (v[0] == '-' || v[0] >= '0' && v[0] <= '9'):
		return 0, TooLarge
	}
	return 0, Unfit
}
