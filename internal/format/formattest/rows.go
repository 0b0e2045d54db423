package formattest

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"strm/internal/format"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Schema describes the events that Blocks makes.
const Schema = `{"type":"object","properties":{"id":{"type":"integer"},"url":{"type":"string"},"text":{"type":["null","string"]}}}`

// runRows proves what the port says of files written row by row.
func runRows(t *testing.T, f format.RowFormat, o stream.Output) {
	o.Table.Schema = Schema
	write := func(t *testing.T, rows, flushEach int, run format.Run) []byte {
		t.Helper()
		var buf bytes.Buffer
		w, err := f.Rows(&buf, o, run)
		if err != nil {
			t.Fatal(err)
		}
		event := make([]byte, 0, 100)
		for i := range rows {
			event = fmt.Appendf(event[:0], `{"id":%d,"url":"https://example.com/%d","text":null}`, i, i%9)
			if err := w.Append(format.Row{ID: [16]byte{byte(i), byte(i >> 8)}, At: int64(i)}, event); err != nil {
				t.Fatal(err)
			}
			clear(event)
			if flushEach > 0 && i%flushEach == 0 {
				if err := w.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	shared := &format.Shared{}
	for _, n := range []int{0, 1, 10_000} {
		for _, flush := range []int{0, 777} {
			t.Run(fmt.Sprintf("%d rows, flushed each %d, are counted", n, flush), func(t *testing.T) {
				file := write(t, n, flush, format.Run{Shared: shared})
				if got, err := f.Count(bytes.NewReader(file), o); err != nil || got != int64(n) {
					t.Errorf("counted %d (%v)", got, err)
				}
				if !bytes.Equal(file, write(t, n, flush, format.Run{})) {
					t.Error("a writer with its own compressor makes other bytes")
				}
			})
		}
	}
	t.Run("what is no object is refused and leaves the file as it was", func(t *testing.T) {
		var buf, want bytes.Buffer
		for i, b := range []*bytes.Buffer{&buf, &want} {
			w, err := f.Rows(b, o, format.Run{})
			if err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{``, ` `, `7`, `[]`, `null`, `"{}"`, `{`, `}`} {
				if i > 0 {
					break
				}
				if err := w.Append(format.Row{}, []byte(bad)); problem.KindOf(err) != problem.Invalid {
					t.Errorf("%q: %v", bad, err)
				}
			}
			if err := w.Append(format.Row{}, []byte(` {"id":1} `)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(buf.Bytes(), want.Bytes()) {
			t.Error("the files differ")
		}
	})
	t.Run("a full disk is told", func(t *testing.T) {
		full := errors.New("no space left")
		w, err := f.Rows(failing{full}, o, format.Run{})
		for i := 0; err == nil && i < 10_000; i++ {
			err = w.Append(format.Row{}, []byte(`{"id":1,"url":"https://example.com"}`))
		}
		if err == nil {
			err = w.Close()
		}
		if !errors.Is(err, full) || problem.KindOf(err) == problem.Corrupt {
			t.Errorf("got %v", err)
		}
	})
}
