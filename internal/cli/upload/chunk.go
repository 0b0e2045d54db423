package upload

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"strm/internal/problem"
)

// The rule by which a file is cut. Changing it makes sessions begun by an
// older version unsafe to resume: raise stateVersion with it.
const (
	maxLines = 1000    // events in a chunk
	maxBytes = 1 << 20 // bytes of events in a chunk, unless one event alone is larger
	// MaxLine is the longest line that is read at all, in bytes. The server's
	// own limit is lower; this one bounds memory.
	MaxLine = 16 << 20
)

// mark is a place between two lines.
type mark struct {
	Offset int64 `json:"offset"` // bytes before it, decompressed
	Lines  int64 `json:"lines"`  // physical lines before it
}

// chunk is a run of whole lines.
type chunk struct {
	from, to mark
	body     []byte    // events, each ended by '\n'; no blank line, no '\r' at a line's end
	line     []int64   // physical line number (from 1) of each event
	sent     time.Time // when it first left
	count    int64     // what the server counted
}

// lineOf returns the physical line of the n-th event, counted from 1; n out of
// range gives the chunk's first line.
func (c *chunk) lineOf(n int) int64 {
	if n < 1 || n > len(c.line) {
		n = 1
	}
	if len(c.line) == 0 {
		return c.from.Lines + 1
	}
	return c.line[n-1]
}

// chunker cuts a reader into chunks. Begun at any mark that it returned
// before, it returns the same chunks from there on.
type chunker struct {
	r    *bufio.Reader
	at   mark   // before the line in held, if any
	held []byte // a line that did not fit the chunk before
	size int64  // bytes that held took in the file
	err  error  // met by the reader, returned when the lines before it are used up
}

func newChunker(r io.Reader, at mark) *chunker {
	return &chunker{r: bufio.NewReaderSize(r, 256<<10), at: at}
}

// next returns the next chunk, or io.EOF. A chunk without events is possible
// at the end of the file only.
func (c *chunker) next() (*chunk, error) {
	out := &chunk{from: c.at}
	for len(out.line) < maxLines {
		if c.held == nil {
			if c.err == nil {
				c.held, c.size, c.err = c.readLine()
			}
			if c.held == nil {
				break
			}
		}
		text := bytes.TrimSpace(c.held)
		if len(text) > 0 {
			if len(out.body) > 0 && len(out.body)+len(text)+1 > maxBytes {
				break
			}
			out.body = append(append(out.body, text...), '\n')
			out.line = append(out.line, c.at.Lines+1)
		}
		c.at.Offset += c.size
		c.at.Lines++
		c.held = nil
	}
	out.to = c.at
	if len(out.line) > 0 || out.to.Offset > out.from.Offset {
		return out, nil
	}
	if c.err == nil {
		return nil, io.EOF // not reached: a chunk is empty only because reading ended
	}
	return nil, c.err
}

// readLine returns one line without its end, and its size in the file. The
// line is the caller's. At the end of the file the line is nil.
func (c *chunker) readLine() ([]byte, int64, error) {
	line := []byte{}
	for {
		part, err := c.r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > MaxLine {
			return nil, 0, problem.New(problem.TooLarge, "line %d is longer than %d bytes: no event may be that large", c.at.Lines+1, MaxLine)
		}
		switch {
		case err == nil:
			return line, int64(len(line)), nil
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, int64(len(line)), io.EOF
		default:
			return nil, 0, err
		}
	}
}
