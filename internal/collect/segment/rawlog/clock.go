package rawlog

// moment is a point in time in milliseconds since 1970, if ok. Only points in
// the years 0 to 9999 UTC are: others cannot be printed.
type moment struct {
	ms int64
	ok bool
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour

	firstMoment = -62_167_219_200_000 // 0000-01-01T00:00:00.000Z
	lastMoment  = 253_402_300_799_999 // 9999-12-31T23:59:59.999Z
)

func at(ms int64) moment { return moment{ms, ms >= firstMoment && ms <= lastMoment} }

// corrected returns the moment that was said by a clock that showed sent when
// ours showed received. The sums cannot overflow: all are of years of four digits.
func corrected(received int64, sent, said moment) moment {
	if !said.ok {
		return moment{received, true}
	}
	if !sent.ok {
		return said
	}
	if m := at(received - (sent.ms - said.ms)); m.ok {
		return m
	}
	return said
}

// moment reads a time from the value at the node at. Numbers, and texts that
// are numbers, count from 1970.
func (t *tree) moment(at uint32) moment {
	n := &t.nodes[at]
	switch n.kind {
	case text:
		return parseTime(t.content(at))
	case number:
		return parseEpoch(t.body[n.off:n.end])
	case object, array, yes, no, null:
	}
	return moment{}
}

// parseTime reads ISO 8601 in the forms that SDKs and languages print: a date,
// then "T" or a space and hours and minutes, then seconds with a fraction of any
// length, of which milliseconds are kept; then "Z", "UTC" or an offset such as
// +02:00, +0200 or +02, perhaps after a space. Without a time of day it is
// midnight, without an offset UTC. Digits alone are a parseEpoch.
func parseTime(b []byte) moment {
	p := timeParser{b: b}
	year := p.digits(4)
	if !p.skip('-') {
		return parseEpoch(b)
	}
	month := p.digits(2)
	p.want('-')
	dayOf := p.digits(2)
	if p.bad || month < 1 || month > 12 || dayOf < 1 || dayOf > daysIn(year, month) {
		return moment{}
	}
	ms := daysSince1970(year, month, dayOf) * day
	if len(p.b) > 0 {
		ms += p.clock()
	}
	if p.bad || len(p.b) > 0 {
		return moment{}
	}
	return at(ms)
}

// timeParser reads from the front of b. Once bad it stays so.
type timeParser struct {
	b   []byte
	bad bool
}

func (p *timeParser) skip(c byte) bool {
	if len(p.b) == 0 || p.b[0] != c {
		return false
	}
	p.b = p.b[1:]
	return true
}

func (p *timeParser) want(c byte) { p.bad = !p.skip(c) || p.bad }

func (p *timeParser) digits(n int) int64 {
	if len(p.b) < n {
		p.bad = true
		return 0
	}
	v := int64(0)
	for _, c := range p.b[:n] {
		if c-'0' > 9 {
			p.bad = true
			return 0
		}
		v = v*10 + int64(c-'0')
	}
	p.b = p.b[n:]
	return v
}

// clock reads the time of day and the offset; it returns milliseconds UTC.
func (p *timeParser) clock() int64 {
	if !p.skip('T') && !p.skip('t') && !p.skip(' ') {
		p.bad = true
	}
	h := p.digits(2)
	p.want(':')
	m := p.digits(2)
	ms := h*hour + m*minute
	s := int64(0)
	if p.skip(':') {
		s = p.digits(2)
		ms += s * second
		if p.skip('.') || p.skip(',') {
			ms += p.fraction()
		}
	}
	if h > 23 || m > 59 || s > 60 { // 60: a leap second counts as the next one
		p.bad = true
	}
	return ms - p.offset()
}

// fraction reads one digit or more and returns the milliseconds of it.
func (p *timeParser) fraction() int64 {
	n := digits(p.b, 0)
	if n == 0 {
		p.bad = true
	}
	v := int64(0)
	for i := range 3 {
		v *= 10
		if i < n {
			v += int64(p.b[i] - '0')
		}
	}
	p.b = p.b[n:]
	return v
}

func (p *timeParser) offset() int64 {
	if len(p.b) == 0 || p.skip('Z') || p.skip('z') {
		return 0
	}
	p.skip(' ')
	if string(p.b) == "UTC" || string(p.b) == "Z" {
		p.b = nil
		return 0
	}
	sign := int64(1)
	if p.skip('-') {
		sign = -1
	} else {
		p.want('+')
	}
	h := p.digits(2)
	m := int64(0)
	if p.skip(':') || len(p.b) > 0 {
		m = p.digits(2)
	}
	if h > 23 || m > 59 {
		p.bad = true
	}
	return sign * (h*hour + m*minute)
}

// parseEpoch reads a number of seconds or milliseconds since 1970. From 1e11 on
// it is milliseconds (since March 1973), below seconds (until the year 5138), of
// which three decimals are kept. What is below 1e8 (also March 1973) or has an
// exponent is no time: it would be a guess.
func parseEpoch(b []byte) moment {
	n := digits(b, 0)
	if n < 9 || n > 15 {
		return moment{}
	}
	p := timeParser{b: b}
	v := p.digits(n)
	ms := int64(0)
	if p.skip('.') {
		ms = p.fraction()
	}
	if p.bad || len(p.b) > 0 || v < 1e8 {
		return moment{}
	}
	if v < 1e11 {
		return at(v*second + ms)
	}
	return at(v)
}

// appendTime appends ms, which must be from firstMoment to lastMoment, as
// "2006-01-02T15:04:05.000Z" in quotes.
func appendTime(dst []byte, ms int64) []byte {
	days := ms / day
	if ms -= days * day; ms < 0 {
		ms += day
		days--
	}
	y, m, d := date(days)
	h, min, s := ms/hour, ms/minute%60, ms/second%60
	ms %= second
	two := func(v int64) (byte, byte) { return byte('0' + v/10), byte('0' + v%10) }
	var b [26]byte
	b[0], b[25] = '"', '"'
	b[1], b[2] = two(y / 100)
	b[3], b[4] = two(y % 100)
	b[5], b[8], b[11], b[14], b[17], b[20], b[24] = '-', '-', 'T', ':', ':', '.', 'Z'
	b[6], b[7] = two(m)
	b[9], b[10] = two(d)
	b[12], b[13] = two(h)
	b[15], b[16] = two(min)
	b[18], b[19] = two(s)
	b[21] = byte('0' + ms/100)
	b[22], b[23] = two(ms % 100)
	return append(dst, b[:]...)
}

// The calendar below counts years from March, so that the leap day is the last
// of its year, in eras of 400 years, which all have the same number of days.
const (
	eraDays   = 146_097
	eraBefore = 719_468 // days from 0000-03-01 to 1970-01-01
)

// daysSince1970 returns the days from 1970-01-01 to a date of the years 0 to 9999.
func daysSince1970(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	y += 400 // never below 0
	ofYear := (153*((m+9)%12)+2)/5 + d - 1
	return (y/400-1)*eraDays + y%400*365 + y%400/4 - y%400/100 + ofYear - eraBefore
}

// date is the inverse of daysSince1970.
func date(days int64) (y, m, d int64) {
	days += eraBefore + eraDays // never below 0
	era, ofEra := days/eraDays-1, days%eraDays
	y = (ofEra - ofEra/1460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*y + y/4 - y/100)
	m = (5*ofYear + 2) / 153
	d = ofYear - (153*m+2)/5 + 1
	y += era * 400
	if m += 3; m > 12 {
		m -= 12
		y++
	}
	return y, m, d
}

func daysIn(y, m int64) int64 {
	switch {
	case m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0):
		return 29
	case m == 2:
		return 28
	case m == 4 || m == 6 || m == 9 || m == 11:
		return 30
	}
	return 31
}
