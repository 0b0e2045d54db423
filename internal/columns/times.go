package columns

// Texts of dates and times, as ISO 8601 and its relatives write them:
//
//	date   2021-01-23
//	time   15:04, 15:04:05, 15:04:05.999999999, each with or without a zone
//	zone   Z, +01, +0100, +01:00, with or without a space before it
//	both   date, 'T' or a space, time; or a date alone, which is its midnight
//
// A zone is applied, a missing one is UTC. Digits beyond microseconds are cut off.

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86400 * microsPerSecond
)

// two reads two digits at s[i:].
func two(s []byte, i int) (int, bool) {
	if i+2 > len(s) {
		return 0, false
	}
	a, b := s[i]-'0', s[i+1]-'0'
	return int(a)*10 + int(b), a <= 9 && b <= 9
}

// date reads a date at the start of s and returns its days since 1970.
func date(s []byte) (days int64, ok bool) {
	if len(s) < 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	century, ok1 := two(s, 0)
	rest, ok2 := two(s, 2)
	m, ok3 := two(s, 5)
	d, ok4 := two(s, 8)
	y := century*100 + rest
	if !ok1 || !ok2 || !ok3 || !ok4 || m < 1 || m > 12 || d < 1 || d > daysIn(y, m) {
		return 0, false
	}
	// Days from civil: years begin in March, so that a leap day is their last.
	if m <= 2 {
		y--
		m += 12
	}
	era := y / 400
	if y < 0 {
		era = -1
	}
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 719468, true
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// clock reads a time of day with its zone, to the end of s, and returns
// microseconds since midnight UTC, which may lie in a neighbouring day.
func clock(s []byte) (micros int64, ok bool) {
	h, ok1 := two(s, 0)
	m, ok2 := two(s, 3)
	if !ok1 || !ok2 || s[2] != ':' || h > 23 || m > 59 {
		return 0, false
	}
	micros = int64(h*3600+m*60) * microsPerSecond
	s = s[5:]
	if len(s) > 0 && s[0] == ':' {
		sec, ok := two(s, 1)
		if !ok || sec > 59 {
			return 0, false
		}
		micros += int64(sec) * microsPerSecond
		s = s[3:]
		if len(s) > 0 && (s[0] == '.' || s[0] == ',') {
			n, unit := 1, int64(microsPerSecond)
			for ; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
				unit /= 10
				micros += int64(s[n]-'0') * unit
			}
			if n == 1 {
				return 0, false
			}
			s = s[n:]
		}
	}
	east, ok := zone(s)
	return micros - east*60*microsPerSecond, ok
}

// zone reads the whole of s and returns minutes east of UTC.
func zone(s []byte) (minutes int64, ok bool) {
	if len(s) > 0 && s[0] == ' ' {
		s = s[1:]
		if len(s) == 0 {
			return 0, false
		}
	}
	switch {
	case len(s) == 0, string(s) == "Z", string(s) == "z":
		return 0, true
	case s[0] != '+' && s[0] != '-':
		return 0, false
	}
	h, ok := two(s, 1)
	m := 0
	switch rest := s[min(3, len(s)):]; {
	case len(rest) == 0:
	case len(rest) == 3 && rest[0] == ':':
		var okm bool
		m, okm = two(rest, 1)
		ok = ok && okm
	case len(rest) == 2:
		var okm bool
		m, okm = two(rest, 0)
		ok = ok && okm
	default:
		return 0, false
	}
	minutes = int64(h*60 + m)
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, ok && h <= 18 && m <= 59
}

// ToDate returns the days since 1970-01-01 of a date's text.
func ToDate(s []byte) (int32, Fit) {
	days, ok := date(s)
	if !ok || len(s) != 10 {
		return 0, Unfit
	}
	return int32(days), Fits
}

// ToTime returns the microseconds since midnight UTC of a time's text.
func ToTime(s []byte) (int64, Fit) {
	micros, ok := clock(s)
	if !ok {
		return 0, Unfit
	}
	return (micros + microsPerDay) % microsPerDay, Fits
}

// ToTimestamp returns the microseconds since 1970 UTC of a date and time's text.
func ToTimestamp(s []byte) (int64, Fit) {
	days, ok := date(s)
	if !ok {
		return 0, Unfit
	}
	micros := days * microsPerDay
	if len(s) == 10 {
		return micros, Fits
	}
	if s[10] != 'T' && s[10] != 't' && s[10] != ' ' {
		return 0, Unfit
	}
	of, ok := clock(s[11:])
	if !ok {
		return 0, Unfit
	}
	return micros + of, Fits
}

// FromMicros returns whole milliseconds, rounded down.
func FromMicros(micros int64) int64 {
	ms := micros / 1000
	if micros%1000 < 0 {
		ms--
	}
	return ms
}
