package eventfile

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// fileOf writes a file of no rows with a schema.
func fileOf(t *testing.T, g parquet.Group) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewWriter(&b, parquet.NewSchema("event", g))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSchemas(t *testing.T) {
	str := func() parquet.Node { return parquet.Optional(parquet.String()) }
	for name, c := range map[string]struct {
		change func(parquet.Group)
		want   string // empty: accepted
	}{
		"as it should be":  {func(parquet.Group) {}, ""},
		"all required":     {func(g parquet.Group) { requireAll(g) }, ""},
		"more columns":     {func(g parquet.Group) { g["a"] = parquet.Repeated(parquet.Int(32)); g["zz"] = parquet.Map(str(), str()) }, ""},
		"nested of a name": {func(g parquet.Group) { g["a"] = parquet.Group{"key": parquet.Int(32), "value": parquet.Int(8)} }, ""},
		"no value":         {func(g parquet.Group) { delete(g, "value") }, ""},
		"no properties":    {func(g parquet.Group) { delete(g, "properties") }, ""},
		"bytes":            {func(g parquet.Group) { g["key"] = parquet.Leaf(parquet.ByteArrayType) }, ""},
		"int 64":           {func(g parquet.Group) { g["timestamp"] = parquet.Int(64) }, ""},
		"map of optional":  {func(g parquet.Group) { g["properties"] = parquet.Map(parquet.String(), parquet.String()) }, ""},

		"no key":             {func(g parquet.Group) { delete(g, "key") }, "column key is missing: it must be a string"},
		"no timestamp":       {func(g parquet.Group) { delete(g, "timestamp") }, "column timestamp is missing: it must be a long"},
		"another case":       {func(g parquet.Group) { delete(g, "key"); g["Key"] = str() }, "column key is missing"},
		"int 32 value":       {func(g parquet.Group) { g["value"] = parquet.Leaf(parquet.Int32Type) }, "column value: is INT32 with INTEGER of 32 bits, signed, must be a double"},
		"int 64 value":       {func(g parquet.Group) { g["value"] = parquet.Int(64) }, "column value: is INT64 with INTEGER of 64 bits, signed, must be a double"},
		"float value":        {func(g parquet.Group) { g["value"] = parquet.Leaf(parquet.FloatType) }, "column value: is FLOAT, must be a double"},
		"value as text":      {func(g parquet.Group) { g["value"] = str() }, "column value: is BYTE_ARRAY with STRING, must be a double"},
		"repeated value":     {func(g parquet.Group) { g["value"] = parquet.Repeated(parquet.Leaf(parquet.DoubleType)) }, "column value: is repeated DOUBLE"},
		"int 32 time":        {func(g parquet.Group) { g["timestamp"] = parquet.Int(32) }, "column timestamp: is INT32 with INTEGER of 32 bits, signed, must be a long"},
		"unsigned time":      {func(g parquet.Group) { g["timestamp"] = parquet.Uint(64) }, "column timestamp: is INT64 with INTEGER of 64 bits, unsigned"},
		"timestamp":          {func(g parquet.Group) { g["timestamp"] = parquet.Timestamp(parquet.Millisecond) }, "column timestamp: is INT64 with TIMESTAMP, must be a long"},
		"decimal time":       {func(g parquet.Group) { g["timestamp"] = parquet.Decimal(0, 10, parquet.Int64Type) }, "is INT64 with DECIMAL"},
		"json key":           {func(g parquet.Group) { g["key"] = parquet.JSON() }, "column key: is BYTE_ARRAY with JSON, must be a string"},
		"enum key":           {func(g parquet.Group) { g["key"] = parquet.Enum() }, "column key: is BYTE_ARRAY with ENUM"},
		"uuid key":           {func(g parquet.Group) { g["key"] = parquet.UUID() }, "column key: is FIXED_LEN_BYTE_ARRAY with UUID"},
		"int key":            {func(g parquet.Group) { g["key"] = parquet.Int(64) }, "column key: is INT64"},
		"repeated key":       {func(g parquet.Group) { g["key"] = parquet.Repeated(parquet.String()) }, "column key: is repeated BYTE_ARRAY with STRING"},
		"group as key":       {func(g parquet.Group) { g["key"] = parquet.Group{"a": str()} }, "column key: is a group, must be a string"},
		"list as key":        {func(g parquet.Group) { g["key"] = parquet.List(str()) }, "column key: is a group with LIST, must be a string"},
		"text as properties": {func(g parquet.Group) { g["properties"] = str() }, "column properties: is BYTE_ARRAY with STRING, must be a map of strings"},
		"json properties":    {func(g parquet.Group) { g["properties"] = parquet.JSON() }, "column properties: is BYTE_ARRAY with JSON"},
		"list as properties": {func(g parquet.Group) { g["properties"] = parquet.List(str()) }, "column properties: is a group with LIST"},
		"group of two":       {func(g parquet.Group) { g["properties"] = parquet.Group{"a": str(), "b": str()} }, "column properties: is a group, must be a map"},
		"map of int":         {func(g parquet.Group) { g["properties"] = parquet.Map(parquet.String(), parquet.Int(64)) }, "column properties: is a map whose value value is INT64"},
		"map of double": {func(g parquet.Group) {
			g["properties"] = parquet.Map(parquet.String(), parquet.Leaf(parquet.DoubleType))
		}, "whose value value is DOUBLE"},
		"map from int": {func(g parquet.Group) { g["properties"] = parquet.Map(parquet.Int(64), parquet.String()) }, "whose key key is INT64"},
		"map of maps":  {func(g parquet.Group) { g["properties"] = parquet.Map(parquet.String(), parquet.Map(str(), str())) }, "whose value value is a group with MAP"},
		"map of lists": {func(g parquet.Group) {
			g["properties"] = parquet.Map(parquet.String(), parquet.Repeated(parquet.String()))
		}, "whose value value is repeated BYTE_ARRAY"},
		"repeated map": {func(g parquet.Group) {
			g["properties"] = parquet.Repeated(parquet.Map(parquet.String(), parquet.String()))
		}, "column properties: is repeated a group"},
	} {
		t.Run(name, func(t *testing.T) {
			g := eventSchema()
			c.change(g)
			f, err := openBytes(t, fileOf(t, g), Limits{})
			if err == nil {
				f.Close()
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func requireAll(g parquet.Group) {
	for name := range g {
		switch name {
		case "timestamp":
			g[name] = parquet.Leaf(parquet.Int64Type)
		case "value":
			g[name] = parquet.Leaf(parquet.DoubleType)
		case "properties":
			g[name] = parquet.Map(parquet.String(), parquet.String())
		default:
			g[name] = parquet.String()
		}
	}
}

// Older ways to write the same schema, and schemas that no writer makes.
func TestSchemaNodes(t *testing.T) {
	none := node{typ: -1, repetition: -1, converted: -1, logical: -1}
	with := func(name string, change func(*node)) node {
		n := none
		n.name = name
		change(&n)
		return n
	}
	leaf := func(name string, typ int) node {
		return with(name, func(n *node) { n.typ, n.repetition = typ, optional })
	}
	group := func(name string, repetition, children, converted int) node {
		return with(name, func(n *node) { n.repetition, n.children, n.converted = repetition, children, converted })
	}
	flat := []node{
		leaf("environmentId", typeByteArray), leaf("trafficTypeId", typeByteArray), leaf("eventTypeId", typeByteArray),
		leaf("key", typeByteArray), leaf("timestamp", typeInt64),
	}
	schema := func(more ...node) []node {
		roots := len(flat)
		for i := 0; i < len(more); i++ {
			roots++
			if more[i].children == 1 {
				i += 3
			}
		}
		return slices.Concat([]node{group("root", -1, roots, -1)}, flat, more)
	}
	mapOf := func(outer, inner int, entry string) []node {
		return []node{group("properties", optional, 1, outer), group(entry, repeated, 2, inner), leaf("key", typeByteArray), leaf("value", typeByteArray)}
	}
	unknown := with("value", func(n *node) { n.typ, n.repetition, n.logical = 1, optional, logicalUnknown })
	for name, c := range map[string]struct {
		nodes []node
		want  string
	}{
		"flat":                     {schema(), ""},
		"map, as old":              {schema(mapOf(convertedMap, convertedKeyValue, "map")...), ""},
		"key value outside":        {schema(mapOf(convertedKeyValue, -1, "entries")...), ""},
		"key value inside alone":   {schema(mapOf(-1, convertedKeyValue, "map")...), ""},
		"no annotation":            {schema(mapOf(-1, -1, "key_value")...), "column properties: is a group, must be a map"},
		"a column without type":    {schema(unknown), ""},
		"a key without type":       {append(schema()[:4:4], with("key", func(n *node) { n.typ, n.repetition, n.logical = 1, optional, logicalUnknown }), flat[4]), "column key: is INT32 with UNKNOWN"},
		"two of a name":            {schema(leaf("key", typeByteArray)), "column key: there are two of this name"},
		"nothing":                  {nil, "no schema"},
		"fewer nodes than it says": {schema()[:4], "damaged"},
		"more nodes than it says":  {append(schema(), leaf("x", 1)), "damaged"},
		"a negative number":        {[]node{group("root", -1, -5, -1)}, "no schema"},
		"a group of 2^31":          {schema(group("x", optional, 1<<31-1, -1)), "damaged"},
		"a map cut off":            {schema(mapOf(convertedMap, -1, "map")[:2]...)[:7], "column properties"},
		"a leaf of unknown kind":   {schema(with("value", func(n *node) { n.typ, n.repetition = 77, optional })), "column value: is unknown type 77"},
		"no repetition":            {schema(with("value", func(n *node) { n.typ = typeDouble })), "unknown repetition"},
	} {
		_, _, err := checkSchema(c.nodes)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// An unknown codec is refused by its name or number, LZ4 as Hadoop has it is read.
func TestCodecs(t *testing.T) {
	page := dataPage(6, 0, encPlain, nil)
	if d := wantRefused(t, rawFile(1, 12, page, page), Limits{}); !strings.Contains(d, "column environmentId, row group 0: compressed with unknown codec 12") {
		t.Error(d)
	}
	raw := []byte("some bytes that are packed, some bytes that are packed, some bytes that are packed")
	packed := lz4Block(t, raw)
	framed := binary.BigEndian.AppendUint32(nil, uint32(len(raw)))
	framed = binary.BigEndian.AppendUint32(framed, uint32(len(packed)))
	framed = append(framed, packed...)
	for name, src := range map[string][]byte{"hadoop": framed, "twice": append(bytes.Clone(framed), framed...), "raw": packed} {
		want := raw
		if name == "twice" {
			want = append(bytes.Clone(raw), raw...)
		}
		var u unpacker
		got := make([]byte, len(want))
		if err := u.page(codecLZ4, got, src); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if err := u.page(codecLZ4, got[1:], src); err == nil {
			t.Errorf("%s: read as one byte less", name)
		}
	}
}
