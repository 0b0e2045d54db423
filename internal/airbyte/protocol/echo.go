package protocol

import "strconv"

// Echo appends the state's message with destinationStats in it: how many
// records of the state's interval were received, and are stored. Nothing else
// changes, not even white space. A destinationStats that the source sent (or
// passed on) is replaced.
func (s *State) Echo(dst []byte, records int64) []byte {
	line, end := s.Line, s.object.to-1 // the brace that closes the state
	if s.stats.to > 0 {
		dst = append(dst, line[:s.stats.from]...)
		dst = append(dst, line[s.stats.to:end]...)
	} else {
		dst = append(dst, line[:end]...)
	}
	if !s.emptyBut() {
		dst = append(dst, ',')
	}
	dst = append(dst, `"destinationStats":{"recordCount":`...)
	dst = strconv.AppendInt(dst, records, 10)
	dst = append(dst, `.0}`...)
	return append(dst, line[end:]...)
}

// emptyBut reports whether the state has no member beside destinationStats.
func (s *State) emptyBut() bool {
	for i := s.object.from + 1; i < s.object.to-1; i++ {
		if s.stats.to > 0 && i >= s.stats.from && i < s.stats.to {
			continue
		}
		switch s.Line[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return false
		}
	}
	return true
}
