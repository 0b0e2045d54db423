package parquet_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	pqformat "github.com/parquet-go/parquet-go/format"

	"strm/internal/format/formattest"
	"strm/internal/format/parquet"
	"strm/internal/lzo"
	"strm/internal/problem"
	"strm/internal/stream"
)

// pagesOf returns what the pages of the first row group hold, decoded by how
// their headers say, dictionaries included.
func pagesOf(t *testing.T, file []byte, decode func(src []byte, size int) ([]byte, error)) [][]byte {
	t.Helper()
	f, err := pq.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, c := range f.Metadata().RowGroups[0].Columns {
		at := c.MetaData.DataPageOffset
		if d := c.MetaData.DictionaryPageOffset; d > 0 {
			at = min(at, d)
		}
		in := bytes.NewReader(file[at : at+c.MetaData.TotalCompressedSize])
		for in.Len() > 0 {
			var h pqformat.PageHeader
			if err := thrift.NewDecoder((&thrift.CompactProtocol{}).NewReader(in)).Decode(&h); err != nil {
				t.Fatal(err)
			}
			page := make([]byte, h.CompressedPageSize)
			if _, err := io.ReadFull(in, page); err != nil {
				t.Fatal(err)
			}
			raw, err := decode(page, int(h.UncompressedPageSize))
			if err != nil {
				t.Fatalf("a page of column %v: %v", c.MetaData.PathInSchema, err)
			}
			out = append(out, raw)
		}
	}
	return out
}

// With LZO the pages hold what they hold without compression, and the footer
// says what they are.
func TestPagesOfLZO(t *testing.T) {
	files := map[string][]byte{}
	for _, c := range []string{"none", "lzo"} {
		var buf bytes.Buffer
		if _, err := (parquet.Format{}).Encode(&buf, stream.Output{Compression: c}, formattest.Input(formattest.Blocks(t, 4000, 4000))); err != nil {
			t.Fatal(err)
		}
		files[c] = buf.Bytes()
	}
	f, err := pq.OpenFile(bytes.NewReader(files["lzo"]), int64(len(files["lzo"])))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			if c.MetaData.Codec != pqformat.LZO {
				t.Errorf("column %v: the footer says %v", c.MetaData.PathInSchema, c.MetaData.Codec)
			}
		}
	}
	want := pagesOf(t, files["none"], func(b []byte, size int) ([]byte, error) {
		if len(b) != size {
			return nil, errors.New("another size than it has")
		}
		return b, nil
	})
	got := pagesOf(t, files["lzo"], func(b []byte, size int) ([]byte, error) { return lzo.DecodePage(nil, b, size) })
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d pages, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("page %d differs", i)
		}
	}
	if 2*len(files["lzo"]) > len(files["none"]) {
		t.Errorf("%d bytes with LZO, %d without", len(files["lzo"]), len(files["none"]))
	}
}

func TestRefusalsNameTheCodecs(t *testing.T) {
	for c, text := range map[string]string{"bzip2": "no codec of parquet", "rar": "not known for parquet"} {
		_, err := parquet.Format{}.Variant(stream.Output{Compression: c})
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "snappy, zstd, gzip, lz4, lzo, brotli or none") {
			t.Errorf("%s: %v", c, err)
		}
	}
}
