package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"strm/internal/jsonscan"
)

// chunkSize is how much is read at once.
const chunkSize = 256 << 10

// longLine is the largest buffer that is made larger by doubling.
const longLine = 16 << 20

// Lines cuts a stream of bytes into chunks of whole lines, without waiting for
// a chunk to be full: what has arrived is given out.
type Lines struct {
	r    io.Reader
	rest []byte // the beginning of a line whose end has not come
	done bool
	line int64 // lines given out
}

// NewLines returns the lines of r.
func NewLines(r io.Reader) *Lines { return &Lines{r: r} }

// Next returns the next chunk, which belongs to the caller: whole lines, the
// last of them without its line break if the stream ends without. The number
// is that of the first line, from 1. It returns io.EOF at the end. buf, if not
// nil, is memory that may be used.
func (l *Lines) Next(buf []byte) ([]byte, int64, error) {
	if l.done {
		return nil, 0, io.EOF
	}
	if cap(buf) < chunkSize {
		buf = make([]byte, 0, chunkSize)
	}
	buf = append(buf[:0], l.rest...)
	l.rest = l.rest[:0]
	if cap(l.rest) > chunkSize {
		l.rest = nil
	}
	seen := len(buf) // there is no line break before
	for {
		if len(buf) == cap(buf) {
			if len(buf) > MaxLine {
				return nil, 0, fmt.Errorf("line %d: longer than %d MB, the most that is read", l.line+1, MaxLine>>20)
			}
			// Both are held for a moment. So a long line gets the room of the
			// longest at once: what it does not use is address space, not memory.
			more := 2 * cap(buf)
			if more > longLine {
				more = MaxLine + chunkSize
			}
			bigger := make([]byte, len(buf), more)
			copy(bigger, buf)
			buf = bigger
		}
		n, err := l.r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			l.done = true
			if len(buf) == 0 {
				return nil, 0, io.EOF
			}
			return l.give(buf)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("read the messages: %w", err)
		}
		if i := bytes.LastIndexByte(buf[seen:], '\n'); i >= 0 {
			whole := seen + i + 1
			l.rest = append(l.rest, buf[whole:]...)
			return l.give(buf[:whole])
		}
		seen = len(buf)
	}
}

func (l *Lines) give(chunk []byte) ([]byte, int64, error) {
	first := l.line + 1
	l.line += int64(bytes.Count(chunk, []byte{'\n'}))
	return chunk, first, nil
}

// BreaksOff reports whether a last line that has no line break is the beginning
// of a JSON object: who wrote it died.
func BreaksOff(line []byte) bool {
	line = jsonscan.Trim(line)
	return len(line) > 0 && line[0] == '{' && !json.Valid(line)
}
