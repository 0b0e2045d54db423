package eventfile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
)

// madeOptions say how a test has a file written.
type madeOptions struct {
	options []parquet.WriterOption
	change  func(parquet.Group) // of the schema
	group   int                 // rows of a row group; 0: all
}

// eventSchema is the schema of event files, all of it optional.
func eventSchema() parquet.Group {
	text := func() parquet.Node { return parquet.Optional(parquet.String()) }
	return parquet.Group{
		"environmentId": text(), "trafficTypeId": text(), "eventTypeId": text(), "key": text(),
		"timestamp": parquet.Optional(parquet.Leaf(parquet.Int64Type)), "value": parquet.Optional(parquet.Leaf(parquet.DoubleType)),
		"properties": parquet.Optional(parquet.Map(parquet.String(), parquet.Optional(parquet.String()))),
	}
}

// madeFile writes rows with parquet-go. The schema may have been changed, as long
// as the columns that rows have values in are still there.
func madeFile(t testing.TB, rows []testRow, o madeOptions) []byte {
	t.Helper()
	group := eventSchema()
	if o.change != nil {
		o.change(group)
	}
	schema := parquet.NewSchema("event", group)
	var b bytes.Buffer
	w := parquet.NewWriter(&b, append([]parquet.WriterOption{schema}, o.options...)...)
	leaf := func(path ...string) int {
		l, ok := schema.Lookup(path...)
		if !ok {
			return -1
		}
		return l.ColumnIndex
	}
	env, traffic, kind, key := leaf("environmentId"), leaf("trafficTypeId"), leaf("eventTypeId"), leaf("key")
	timestamp, value := leaf("timestamp"), leaf("value")
	name, property := leaf("properties", "key_value", "key"), leaf("properties", "key_value", "value")
	nameDef := 2
	if l, ok := schema.Lookup("properties", "key_value", "key"); ok {
		nameDef = l.MaxDefinitionLevel
	}
	for i, r := range rows {
		out := make(parquet.Row, 0, 16)
		columns := make([][]parquet.Value, len(schema.Columns()))
		put := func(c int, v parquet.Value) {
			if c >= 0 {
				columns[c] = append(columns[c], v)
			}
		}
		texts := func(c int, s *string) {
			if s == nil {
				put(c, parquet.Value{}.Level(0, 0, c))
			} else {
				put(c, parquet.ByteArrayValue([]byte(*s)).Level(0, 1, c))
			}
		}
		texts(env, r.env)
		texts(traffic, r.traffic)
		texts(kind, r.kind)
		texts(key, r.key)
		if r.noTime {
			put(timestamp, parquet.Value{}.Level(0, 0, timestamp))
		} else {
			put(timestamp, parquet.Int64Value(r.timestamp).Level(0, 1, timestamp))
		}
		if r.value == nil {
			put(value, parquet.Value{}.Level(0, 0, value))
		} else {
			put(value, parquet.DoubleValue(*r.value).Level(0, 1, value))
		}
		if len(r.properties) == 0 {
			def := 1
			if r.properties == nil {
				def = 0
			}
			put(name, parquet.Value{}.Level(0, def, name))
			put(property, parquet.Value{}.Level(0, def, property))
		}
		for n, p := range r.properties {
			rep := min(n, 1)
			if p[0] == nil {
				put(name, parquet.Value{}.Level(rep, nameDef-1, name))
			} else {
				put(name, parquet.ByteArrayValue([]byte(*p[0])).Level(rep, nameDef, name))
			}
			if p[1] == nil {
				put(property, parquet.Value{}.Level(rep, 2, property))
			} else {
				put(property, parquet.ByteArrayValue([]byte(*p[1])).Level(rep, 3, property))
			}
		}
		for c, vs := range columns {
			if len(vs) == 0 {
				vs = []parquet.Value{parquet.Value{}.Level(0, 0, c)}
			}
			out = append(out, vs...)
		}
		if _, err := w.WriteRows([]parquet.Row{out}); err != nil {
			t.Fatal(err)
		}
		if o.group > 0 && i%o.group == o.group-1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// generated writes n rows as a customer might have them.
func generated(t testing.TB, n int, o madeOptions) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	rows := make([]testRow, n)
	for i := range rows {
		rows[i] = testRow{
			env: ptr(fmt.Sprintf("env-%d", i%3)), traffic: ptr("user"), kind: ptr(fmt.Sprintf("event.type.%d", r.IntN(20))),
			key: ptr(fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())), timestamp: 1795161463647 + int64(i)*7,
			properties: [][2]*string{{ptr("plan"), ptr("free")}, {ptr("page"), ptr(fmt.Sprintf("/products/%d", r.IntN(5000)))}, {ptr("session"), ptr(fmt.Sprintf("%016x", r.Uint64()))}},
		}
		if i%100 == 17 {
			rows[i].env = ptr("env-bad")
		}
		if i%10 != 0 {
			rows[i].value = ptr(float64(r.IntN(10000)) / 100)
		}
	}
	if o.options == nil {
		o.options = []parquet.WriterOption{parquet.Compression(&parquet.Snappy)}
	}
	return madeFile(t, rows, o)
}

// Files of parquet-go give the rows that they were written from, whatever the
// codec, the kind of pages and where row groups and pages end.
func TestFilesOfParquetGo(t *testing.T) {
	var rows []testRow
	for i := range 1200 {
		rows = append(rows, fixtureRow(i, false))
	}
	lines, counts := expect(t, rows, "env-1", "env-2")
	want := ""
	for _, l := range lines {
		want += l
	}
	for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd, &parquet.Lz4Raw, &parquet.Brotli} {
		for version := 1; version <= 2; version++ {
			for _, page := range []int{500, 20_000} {
				t.Run(fmt.Sprintf("%s-v%d-%d", codec, version, page), func(t *testing.T) {
					b := madeFile(t, rows, madeOptions{group: 500, options: []parquet.WriterOption{
						parquet.Compression(codec), parquet.DataPageVersion(version), parquet.PageBufferSize(page)}})
					r := readAll(t, mustOpen(t, b), 0, "env-1", "env-2")
					if r.err != nil {
						t.Fatal(r.err)
					}
					same(t, r.data, want)
					if got := countsOf(r.tally.Entries()); fmt.Sprint(got) != fmt.Sprint(counts) {
						t.Errorf("entries %v, want %v", got, counts)
					}
				})
			}
		}
	}
}
