package eventfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// tryFile reads b and demands that it ends in rows or a FileError, and that no
// decoder panicked.
func tryFile(t testing.TB, b []byte, l Limits) (rows int64, err error) {
	t.Helper()
	f, err := openBytes(t, b, l)
	if err == nil {
		var tally Tally
		for _, e := range f.Chunks(t.Context(), 0, Check{Environments: []string{"env-1", "env-2"}}, &tally) {
			err = e
		}
		rows = tally.Rows()
		if cerr := f.Close(); cerr != nil {
			t.Fatal(cerr)
		}
	}
	var fe *FileError
	if err != nil && !errors.As(err, &fe) {
		t.Fatalf("neither rows nor a FileError: %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), "does not notice") || strings.Contains(err.Error(), "decoder failed")) {
		t.Errorf("a panic: %v", err)
	}
	return rows, err
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Files with one wrong byte end in rows or a FileError, and none takes more
// memory than Limits.Memory and what the footer needs.
func TestOneWrongByte(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	names := fixtures(t)
	files := map[string][]byte{}
	refused := 0
	const tries = 2000
	for i := range tries {
		name := names[i%len(names)]
		if files[name] == nil {
			files[name] = load(t, name)
		}
		b := slices.Clone(files[name])
		at := r.IntN(len(b))
		if i%4 == 0 { // where most of what can go wrong is
			at = len(b) - 1 - r.IntN(min(len(b), 3000))
		}
		b[at] ^= byte(1 + r.IntN(255))
		before := allocated()
		if _, err := tryFile(t, b, Limits{Memory: 64 << 20}); err != nil {
			refused++
		}
		if used := allocated() - before; used > 80<<20 {
			t.Errorf("%s, byte %d: %d MiB allocated", name, at, used>>20)
		}
	}
	if refused < tries/20 || refused == tries {
		t.Errorf("%d of %d files refused", refused, tries)
	}
}

// Files that are cut off anywhere are refused.
func TestCutOff(t *testing.T) {
	b := load(t, "testdata/duckdb-v2-snappy.parquet")
	for n := 0; n < len(b); n += 7 {
		if _, err := tryFile(t, b[:n], Limits{}); err == nil {
			t.Fatalf("%d of %d bytes were read", n, len(b))
		}
	}
}

// thriftWriter writes Thrift's compact protocol, for files that no writer makes.
type thriftWriter struct {
	bytes.Buffer
	last []int
}

func (w *thriftWriter) field(id int, typ byte) {
	l := &w.last[len(w.last)-1]
	w.WriteByte(byte(id-*l)<<4 | typ)
	*l = id
}

func (w *thriftWriter) open()  { w.last = append(w.last, 0) }
func (w *thriftWriter) close() { w.WriteByte(0); w.last = w.last[:len(w.last)-1] }

func (w *thriftWriter) number(id int, typ byte, v int64) {
	w.field(id, typ)
	w.varint(v)
}

func (w *thriftWriter) varint(v int64) { w.Write(binary.AppendVarint(nil, v)) }

func (w *thriftWriter) text(id int, s string) {
	w.field(id, thriftBinary)
	w.Write(binary.AppendUvarint(nil, uint64(len(s))))
	w.WriteString(s)
}

func (w *thriftWriter) listOf(id int, typ byte, n int) {
	w.field(id, thriftList)
	w.WriteByte(0xf0 | typ)
	w.Write(binary.AppendUvarint(nil, uint64(n)))
}

// dataPage returns a page of version 1 whose header may lie.
func dataPage(raw, values int64, encoding int64, body []byte) []byte {
	w := &thriftWriter{}
	w.open()
	w.number(1, thriftI32, pageData)
	w.number(2, thriftI32, raw)
	w.number(3, thriftI32, int64(len(body)))
	w.field(5, thriftStruct)
	w.open()
	w.number(1, thriftI32, values)
	w.number(2, thriftI32, encoding)
	w.number(3, thriftI32, encRLE)
	w.number(4, thriftI32, encRLE)
	w.close()
	w.close()
	return append(w.Bytes(), body...)
}

// rawFile makes a file with the five columns that must be there, optional, each of the same
// pages in one row group of so many rows. With halves it has properties, too.
func rawFile(rows int64, codec int64, text, long []byte, halves ...mapHalf) []byte {
	out := []byte(magic)
	w := &thriftWriter{}
	w.open()
	w.number(1, thriftI32, 1)
	w.listOf(2, thriftStruct, 6+2*len(halves))
	w.open()
	w.text(4, "event")
	w.number(5, thriftI32, int64(5+len(halves)/2))
	w.close()
	for c := range valueColumn {
		w.open()
		typ := int64(typeByteArray)
		if c == timestampColumn {
			typ = typeInt64
		}
		w.number(1, thriftI32, typ)
		w.number(3, thriftI32, optional)
		w.text(4, columnNames[c])
		w.close()
	}
	group := func(name string, repetition, children int64) {
		w.open()
		w.number(3, thriftI32, repetition)
		w.text(4, name)
		w.number(5, thriftI32, children)
		w.number(6, thriftI32, convertedMap)
		w.close()
	}
	if len(halves) > 0 {
		group("properties", optional, 1)
		group("key_value", repeated, 2)
		for _, name := range []string{"key", "value"} {
			w.open()
			w.number(1, thriftI32, typeByteArray)
			w.number(3, thriftI32, required)
			w.text(4, name)
			w.close()
		}
	}
	w.number(3, thriftI64, rows)
	w.listOf(4, thriftStruct, 1)
	w.open()
	w.listOf(1, thriftStruct, 5+len(halves))
	for c := range int(valueColumn) + len(halves) {
		pages, typ, rows := text, int64(typeByteArray), rows
		if c == timestampColumn {
			pages, typ = long, typeInt64
		}
		if c >= valueColumn {
			rows = int64(len(halves[c-valueColumn].reps))
			pages = halves[c-valueColumn].page()
		}
		w.open()
		w.field(3, thriftStruct)
		w.open()
		w.number(1, thriftI32, typ)
		w.number(4, thriftI32, codec)
		w.number(5, thriftI64, rows)
		w.number(7, thriftI64, int64(len(pages)))
		w.number(9, thriftI64, int64(len(out)))
		w.close()
		w.close()
		out = append(out, pages...)
	}
	w.number(3, thriftI64, rows)
	w.close()
	w.close()
	out = append(out, w.Bytes()...)
	out = binary.LittleEndian.AppendUint32(out, uint32(w.Len()))
	return append(out, magic...)
}

// mapHalf is the keys or the values of a map: what their levels are. Those at level 2 have a text.
type mapHalf struct{ reps, defs []byte }

func (h mapHalf) page() []byte {
	levels := func(v []byte) []byte {
		var runs []byte
		for _, l := range v {
			runs = append(runs, 1<<1, l)
		}
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(runs))), runs...)
	}
	body := append(levels(h.reps), levels(h.defs)...)
	for i, d := range h.defs {
		if d == 2 {
			body = append(body, 1, 0, 0, 0, 'a'+byte(i))
		}
	}
	return dataPage(int64(len(body)), int64(len(h.reps)), encPlain, body)
}

// Maps whose keys and values are not of the same rows are refused; the row
// before is counted, where there is one.
func TestMapsThatDoNotFit(t *testing.T) {
	texts := append(levelRun(2, 1), "\x05\x00\x00\x00env-1\x05\x00\x00\x00env-1"...)
	longs := append(levelRun(2, 1), bytes.Repeat(binary.LittleEndian.AppendUint64(nil, 1795161463647), 2)...)
	text, long := dataPage(int64(len(texts)), 2, encPlain, texts), dataPage(int64(len(longs)), 2, encPlain, longs)
	half := func(levels string) (h mapHalf) { // pairs of levels
		for i := 0; i < len(levels); i += 2 {
			h.reps, h.defs = append(h.reps, levels[i]-'0'), append(h.defs, levels[i+1]-'0')
		}
		return h
	}
	for _, c := range []struct {
		keys, values, want string
		rows               int64
	}{
		{"0202", "0202", "", 2},
		{"021200", "021200", "", 2},
		{"0100", "0100", "", 2},
		{"0002", "0000", "do not belong together", 1},
		{"0200", "0201", "do not belong together", 1},
		{"0001", "0000", "do not belong together", 1},
		{"02120202", "021212", "do not belong together", 0},
		{"0212", "0202", "do not belong together", 0},
		{"0202", "0212", "do not belong together", 0},
		{"0211", "0211", "do not belong together", 0},
		{"02", "02", "fewer values than its row group has rows", 1},
		{"02", "0202", "do not belong together", 0},
		{"020202", "020202", "more values than its row group has rows", 2},
		{"1202", "1202", "begins in the middle", 0},
		{"001202", "001202", "entries after its end", 0},
		{"0302", "0202", "definition level 3", 0},
	} {
		f := mustOpen(t, rawFile(2, codecNone, text, long, half(c.keys), half(c.values)))
		r := readAll(t, f, 0, "env-1")
		if c.want == "" && r.err != nil || c.want != "" && (r.err == nil || !strings.Contains(r.err.Error(), c.want)) || r.tally.Rows() != c.rows {
			t.Errorf("%s %s: %d rows, %v; want %d, %q", c.keys, c.values, r.tally.Rows(), r.err, c.rows, c.want)
		}
	}
}

// levelRun is the levels of n values that are all there, or all null.
func levelRun(n int64, there byte) []byte {
	run := append(binary.AppendUvarint(nil, uint64(n)<<1), there)
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(run))), run...)
}

func zstdOf(t *testing.T, b []byte) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(b, nil)
}

// Files that say one thing and are another are refused, without memory or time
// for what they say.
func TestLies(t *testing.T) {
	good := load(t, "testdata/pyarrow-v1-none.parquet")
	footer := func(n uint32) []byte {
		b := slices.Clone(good)
		binary.LittleEndian.PutUint32(b[len(b)-8:], n)
		return b
	}
	nulls := levelRun(1<<31-1, 0)
	page := func(raw, values int64) []byte { return dataPage(raw, values, encPlain, nulls) }
	many := func(n int) []byte { return bytes.Repeat(page(int64(len(nulls)), 1<<31-1), n) }
	zeros := zstdOf(t, make([]byte, 100<<20))
	manyFooters := &thriftWriter{}
	manyFooters.open()
	manyFooters.listOf(2, thriftStruct, 1<<40)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"footer longer than the file":  {footer(1 << 30), "the Parquet footer says"},
		"footer length of 4 GiB":       {footer(1<<32 - 1), "the Parquet footer says"},
		"footer too short":             {footer(100), ""},
		"footer of no length":          {footer(0), ""},
		"no magic at the end":          {good[:len(good)-1], "cut off"},
		"encrypted":                    {append(slices.Clone(good[:len(good)-4]), "PARE"...), "encrypted"},
		"a list of 2^40 in the footer": {append(append(append([]byte(magic), manyFooters.Bytes()...), byte(manyFooters.Len()), 0, 0, 0), magic...), "footer is damaged"},
		"a page of 200 MiB":            {rawFile(1000, codecSnappy, page(200<<20, 1000), page(200<<20, 1000)), "become 209715200"},
		"a page of 2 GiB in zstd":      {rawFile(1000, codecZstd, page(1<<31-1, 1000), page(1<<31-1, 1000)), "bomb"},
		"a page of a negative length":  {rawFile(1000, codecNone, page(-5, 1000), page(-5, 1000)), "a page says"},
		"more values than rows":        {rawFile(1000, codecNone, page(int64(len(nulls)), 1<<31-1), page(int64(len(nulls)), 1<<31-1)), "says that it has"},
		"rows that are not there":      {rawFile(1<<40, codecNone, page(int64(len(nulls)), 1000), page(int64(len(nulls)), 1000)), ""},
		"10^11 rows of nulls":          {rawFile(50*(1<<31-1), codecNone, many(50), many(50)), "bomb"},
		"pages of 100 MiB of zeros":    {rawFile(1<<30, codecZstd, bytes.Repeat(dataPage(100<<20, 1<<20, encPlain, zeros), 1000), page(0, 1000)), ""},
		"a nested schema":              {append(append(append([]byte(magic), bytes.Repeat([]byte{0x2c}, 5000)...), 0x88, 0x13, 0, 0), magic...), "footer is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			before := allocated()
			_, err := tryFile(t, c.file, Limits{Floor: 256 << 20, Ratio: 10})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if used := allocated() - before; used > 300<<20 {
				t.Errorf("%d MiB allocated", used>>20)
			}
		})
	}
}

// The rows before the damage are counted and yielded, the same ones from wherever reading begins.
func TestDamageInTheMiddle(t *testing.T) {
	rows := make([]testRow, 600)
	for i := range rows {
		rows[i] = fixtureRow(i, false)
	}
	good := madeFile(t, rows, madeOptions{group: 200, options: []parquet.WriterOption{parquet.Compression(&parquet.Uncompressed), parquet.PageBufferSize(400)}})
	at := bytes.Index(good, []byte("key-436"))
	if at < 0 {
		t.Fatal("the key is not in the file as it is")
	}
	b := slices.Clone(good)
	copy(b[at-4:], "\xff\xff\xff\x7f") // the length of this text
	f := mustOpen(t, b)
	whole := readAll(t, f, 0, "env-1", "env-2")
	var fe *FileError
	if !errors.As(whole.err, &fe) || !strings.HasPrefix(fe.Detail, "column key: ") {
		t.Fatalf("got %v", whole.err)
	}
	n := whole.tally.Rows()
	if n == 0 || n > 436 {
		t.Fatalf("%d rows before the damage in row 436", n)
	}
	lines, _ := expect(t, rows[:n], "env-1", "env-2")
	same(t, whole.data, strings.Join(lines, ""))
	for from := int64(0); from < 600; from += 13 {
		r := readAll(t, f, from, "env-1", "env-2")
		if !errors.As(r.err, &fe) || r.tally.Rows() != n {
			t.Fatalf("from %d: %d rows, %v; want %d", from, r.tally.Rows(), r.err, n)
		}
		lines, _ := expect(t, rows[min(from, n):n], "env-1", "env-2")
		same(t, r.data, strings.Join(lines, ""))
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range fixtures(f) {
		f.Add(load(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = tryFile(t, b, Limits{Memory: 16 << 20, Floor: 64 << 20, Ratio: 10, Unwrapped: 16 << 20})
	})
}

// Numbers that cost no bytes cannot be made to cost time: blocks of 2^24 differences of no bits.
func TestManyNumbersOfNoBits(t *testing.T) {
	block := binary.AppendUvarint(nil, 1<<24)
	block = append(block, 1)                      // part
	block = binary.AppendUvarint(block, 1<<62)    // numbers
	block = append(block, 0)                      // the first
	block = append(block, make([]byte, 1<<20)...) // parts of no bits
	levels := levelRun(1<<30, 1)
	for _, encoding := range []int64{encDelta, encDeltaLength, encDeltaText} {
		text, long := append(bytes.Clone(levels), block...), append(bytes.Clone(levels), make([]byte, 8000)...)
		page, other := dataPage(int64(len(text)), 1<<30, encoding, text), dataPage(int64(len(long)), 1<<30, encPlain, long)
		if encoding == encDelta {
			page, other = dataPage(int64(len(text)), 1<<30, encPlain, text), page
		}
		if _, err := tryFile(t, rawFile(1<<30, codecNone, page, other), Limits{Floor: 64 << 20, Ratio: 10}); err == nil {
			t.Errorf("encoding %d was read", encoding)
		}
	}
}
