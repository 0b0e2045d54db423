package traffic

import (
	"bytes"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/parquet-go/parquet-go"

	"strm/test/s3double"
)

func object(key string, ids ...int64) *s3double.Object {
	o := &s3double.Object{Key: key}
	for _, n := range ids {
		o.Body = append(AppendEvent(o.Body, EventID{1, n}), '\n')
	}
	return o
}

func zipped(t *testing.T, o *s3double.Object) *s3double.Object {
	t.Helper()
	var b bytes.Buffer
	// Two members, as concatenated blocks give.
	half := bytes.IndexByte(o.Body, '\n') + 1
	for _, part := range [][]byte{o.Body[:half], o.Body[half:]} {
		w := gzip.NewWriter(&b)
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return &s3double.Object{Key: o.Key + ".gz", Body: b.Bytes()}
}

// TestOracle shows that the oracle is silent when all is well and speaks when
// it is not.
func TestOracle(t *testing.T) {
	sent := []*Log{{Sender: 1, Stream: "s", Batches: []Batch{
		{First: 0, Count: 2, Acked: true}, {First: 2, Count: 2, Acked: false}, {First: 4, Count: 1, Acked: true},
	}}}
	damaged := object("p/d", 4)
	damaged.Body = bytes.Replace(damaged.Body, []byte(`"n":4`), []byte(`"n":5`), 1)
	cut := object("p/c", 4)
	cut.Body = cut.Body[:len(cut.Body)-1]
	meta := object("p/m", 4)
	meta.Body = append([]byte(`{"strmMeta":{},`), meta.Body[1:]...)
	probe := &s3double.Object{Key: "p/.strm_test_x.jsonl"}
	for name, tc := range map[string]struct {
		objects []*s3double.Object
		missing int64
		double  int64
		halves  int64
		problem string // empty: the Verdict is good
	}{
		"good":               {[]*s3double.Object{object("p/a", 0, 1), object("p/b", 4), probe}, 0, 0, 0, ""},
		"unknown outcome in": {[]*s3double.Object{object("p/a", 3, 0, 1, 2), zipped(t, object("p/b", 4))}, 0, 0, 0, ""},
		"gzip":               {[]*s3double.Object{zipped(t, object("p/a", 0, 1, 4))}, 0, 0, 0, ""},
		"missing":            {[]*s3double.Object{object("p/a", 0, 1)}, 1, 0, 0, "1-000000004 was acknowledged and is missing"},
		"none at all":        {nil, 3, 0, 0, "is missing"},
		"twice in one":       {[]*s3double.Object{object("p/a", 0, 1, 4, 4)}, 0, 1, 0, "is a duplicate"},
		"twice in two":       {[]*s3double.Object{object("p/a", 0, 1), object("p/b", 4, 1)}, 0, 1, 0, "is a duplicate"},
		"unknown twice":      {[]*s3double.Object{object("p/a", 0, 1, 2, 3, 4), object("p/b", 2)}, 0, 1, 0, "is a duplicate"},
		"half of unknown":    {[]*s3double.Object{object("p/a", 0, 1, 2, 4)}, 0, 0, 1, "only 1 of 2 arrived"},
		"half of known":      {[]*s3double.Object{object("p/a", 0, 4)}, 1, 0, 1, "is missing"},
		"never sent":         {[]*s3double.Object{object("p/a", 0, 1, 4, 5)}, 0, 0, 0, "was never sent"},
		"damaged":            {[]*s3double.Object{object("p/a", 0, 1), damaged}, 1, 0, 0, "is damaged"},
		"cut off":            {[]*s3double.Object{object("p/a", 0, 1), cut}, 1, 0, 0, "cut off"},
		"unwanted meta":      {[]*s3double.Object{object("p/a", 0, 1), meta}, 1, 0, 0, "strmMeta present"},
		"empty object":       {[]*s3double.Object{object("p/a", 0, 1, 4), object("p/e")}, 0, 0, 0, "holds no event"},
		"probe not empty":    {[]*s3double.Object{object("p/a", 0, 1, 4), object("p/.strm_test_y.jsonl", 0)}, 0, 0, 0, "not empty"},
	} {
		t.Run(name, func(t *testing.T) {
			v := judge(tc.objects, sent, Stream{})
			if v.Missing != tc.missing || v.Duplicate != tc.double || v.Halves != tc.halves {
				t.Errorf("missing %d duplicate %d halves %d, want %d %d %d", v.Missing, v.Duplicate, v.Halves, tc.missing, tc.double, tc.halves)
			}
			if v.OK() != (tc.problem == "") || !strings.Contains(strings.Join(v.Problems, "\n"), tc.problem) {
				t.Errorf("ok %v, problems %q, want %q", v.OK(), v.Problems, tc.problem)
			}
		})
	}
	if v := judge([]*s3double.Object{meta}, []*Log{{Sender: 1, Batches: []Batch{{First: 0, Count: 4}, {First: 4, Count: 1, Acked: true}}}}, Stream{Meta: true}); !v.OK() {
		t.Errorf("wanted strmMeta: %q", v.Problems)
	}
}

func TestCallsAreReadFromTheRightDayOnly(t *testing.T) {
	line := func(received string) []byte {
		props := AppendEvent(nil, EventID{3, 7})
		return []byte(`{"context":{"library":{"name":"crash"}},"messageId":"3-000000007","properties":` + string(props) +
			`,"receivedAt":"` + received + `","type":"track","version":2}`)
	}
	const day = "web-logs/segment-logs/src/1795132800000/x.gz" // 2026-11-20
	if id, err := readCall(line("2026-11-20T23:59:59.999Z"), day); err != nil || id != (EventID{3, 7}) {
		t.Errorf("%v, %v", id, err)
	}
	for _, received := range []string{"2026-11-21T00:00:00.000Z", "2026-11-19T23:59:59.999Z", "", "yesterday"} {
		if id, err := readCall(line(received), day); err == nil {
			t.Errorf("received %q passes as %v", received, id)
		}
	}
	if id, err := readCall(bytes.Replace(line("2026-11-20T12:00:00.000Z"), []byte(`"messageId":"3`), []byte(`"messageId":"4`), 1), day); err == nil {
		t.Errorf("another messageId passes as %v", id)
	}
}

// TestWithoutKeys: a try of unknown outcome may have stored a batch, or a part of
// it, once more; and no oftener.
func TestWithoutKeys(t *testing.T) {
	sent := []*Log{{Sender: 1, Batches: []Batch{
		{First: 0, Count: 2, Acked: true, Plain: true, Unknown: 1}, {First: 2, Count: 2, Plain: true}, {First: 4, Count: 1, Acked: true, Plain: true},
	}}}
	for name, tc := range map[string]struct {
		ids                    []int64
		missing, double, again int64
	}{
		"once":             {[]int64{0, 1, 4}, 0, 0, 0},
		"in part":          {[]int64{0, 1, 1, 3, 4}, 0, 0, 1},
		"as often as told": {[]int64{0, 1, 0, 1, 2, 3, 4}, 0, 0, 2},
		"oftener":          {[]int64{0, 0, 0, 1, 4}, 0, 1, 1},
		"given up, twice":  {[]int64{0, 1, 2, 2, 4}, 0, 1, 0},
		"told once, twice": {[]int64{0, 1, 4, 4}, 0, 1, 0},
		"missing":          {[]int64{0, 4}, 1, 0, 0},
	} {
		v := judge([]*s3double.Object{object("p/a", tc.ids...)}, sent, Stream{})
		if v.Missing != tc.missing || v.Duplicate != tc.double || v.Again != tc.again || v.Halves != 0 || v.OK() != (tc.missing+tc.double == 0) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestParquetIsRead(t *testing.T) {
	event := func(n int64) row {
		id := EventID{1, n}
		s, kind, pad := id.String(), "crash", id.Pad()
		return row{&s, &kind, &pad}
	}
	wrong := event(2)
	wrong.Pad = event(1).Pad
	file := func(rows ...row) *s3double.Object {
		var b bytes.Buffer
		if err := parquet.Write(&b, rows); err != nil {
			t.Fatal(err)
		}
		return &s3double.Object{Key: "p/a.parquet", Body: b.Bytes()}
	}
	sent := []*Log{{Sender: 1, Batches: []Batch{{First: 0, Count: 3, Acked: true}}}}
	if v := judge([]*s3double.Object{file(event(0), event(1)), file(event(2))}, sent, Stream{}); !v.OK() {
		t.Errorf("good: %+v", v)
	}
	for name, o := range map[string]*s3double.Object{"damaged": file(event(0), event(1), wrong), "missing": file(event(0), event(2)), "no id": file(event(0), event(1), event(2), row{})} {
		if v := judge([]*s3double.Object{o}, sent, Stream{}); v.OK() {
			t.Errorf("%s passes: %+v", name, v)
		}
	}
}
