package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"strm/internal/problem"
	"strm/internal/stream"
)

// maxFooter bounds the footer that Count reads; it is kept in memory.
const maxFooter = 32 << 20

// Count returns the number of rows that the footer names, after a look at
// whether the row groups fit into the file. It reads r to its end and keeps at
// most the last 32 MiB, in which the footer must be.
func (f Format) Count(r io.Reader, o stream.Output) (int64, error) {
	if _, err := f.Variant(o); err != nil {
		return 0, err
	}
	t, err := readTail(r)
	if err != nil {
		return 0, problem.New(problem.Corrupt, "after %d bytes: %w", t.size, err)
	}
	n, err := count(t)
	if err != nil {
		return 0, problem.New(problem.Corrupt, "not a whole parquet file: %w", err)
	}
	return n, nil
}

func count(t *tail) (rows int64, err error) {
	if t.size < 12 || string(t.head[:]) != "PAR1" || string(t.data[len(t.data)-4:]) != "PAR1" {
		return 0, errors.New("it does not begin and end as one")
	}
	if n := int64(binary.LittleEndian.Uint32(t.data[len(t.data)-8:])); n+12 > t.size || n+8 > int64(len(t.data)) {
		return 0, fmt.Errorf("a footer of %d bytes in a file of %d", n, t.size)
	}
	defer func() {
		if p := recover(); p != nil { // the library's answer to some damaged footers
			rows, err = 0, fmt.Errorf("footer: %v", p)
		}
	}()
	file, err := parquet.OpenFile(t, t.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, err
	}
	var sum int64
	for i, g := range file.Metadata().RowGroups {
		sum += g.NumRows
		for _, c := range g.Columns {
			begin := c.MetaData.DataPageOffset
			if d := c.MetaData.DictionaryPageOffset; d > 0 {
				begin = min(begin, d)
			}
			if begin < 4 || c.MetaData.TotalCompressedSize < 0 || begin > t.size-c.MetaData.TotalCompressedSize {
				return 0, fmt.Errorf("row group %d lies outside of the file", i)
			}
		}
	}
	if sum != file.NumRows() {
		return 0, fmt.Errorf("its row groups hold %d rows, its footer says %d", sum, file.NumRows())
	}
	return sum, nil
}

// tail is a file of which only the first four bytes and the end are kept.
type tail struct {
	size int64
	head [4]byte
	data []byte
}

func readTail(r io.Reader) (*tail, error) {
	t := &tail{}
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		for i := 0; i < n && t.size+int64(i) < 4; i++ {
			t.head[t.size+int64(i)] = buf[i]
		}
		t.size += int64(n)
		t.data = append(t.data, buf[:n]...)
		if len(t.data) > 2*maxFooter {
			t.data = t.data[:copy(t.data, t.data[len(t.data)-maxFooter:])]
		}
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return t, err
		}
	}
}

// ReadAt reads from what was kept.
func (t *tail) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 && len(p) <= len(t.head) {
		return copy(p, t.head[:]), nil
	}
	at := off - (t.size - int64(len(t.data)))
	if at < 0 {
		return 0, fmt.Errorf("byte %d is not in the last %d", off, len(t.data))
	}
	return bytes.NewReader(t.data).ReadAt(p, at)
}
