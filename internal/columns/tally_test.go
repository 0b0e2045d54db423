package columns_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"strm/internal/columns"
)

func counted(l *columns.Lookup) []string {
	var out []string
	l.Counted(func(name string, members int64) { out = append(out, fmt.Sprintf("%s %d", name, members)) })
	return out
}

func TestUndeclaredMembersAreCounted(t *testing.T) {
	fields := []columns.Field{{Key: "a", Type: &columns.Type{}}, {Key: "é", Type: &columns.Type{}}}
	var tally columns.Tally
	l := columns.NewLookup(fields)
	l.Count(&tally)
	for _, event := range []string{`{"a":1,"x":2}`, `{"x":null,"\u0061":1,"y":{"x":1}}`, `{"\u0078":1}`, `{"\u00e9":1,"a":2}`, "{\"\xff\":1}", `{"\ufffd":1}`} {
		if !l.Read([]byte(event)) {
			t.Fatal(event)
		}
	}
	if got, want := counted(l), []string{"x 3", "y 1", "\ufffd 2"}; !slices.Equal(got, want) || tally.More != 0 {
		t.Errorf("%q and %d more, want %q", got, tally.More, want)
	}
	// Nothing is counted unless asked for, or where the rest has a place.
	silent, rest := columns.NewLookup(fields), columns.NewLookup(append(fields[:2:2], columns.Rest("rest")))
	rest.Count(&tally)
	for _, l := range []*columns.Lookup{silent, rest} {
		l.Read([]byte(`{"x":1}`))
		if got := counted(l); got != nil {
			t.Errorf("%q", got)
		}
	}
}

func TestCountedNamesAreBounded(t *testing.T) {
	var tally columns.Tally
	a, b := columns.NewLookup(nil), columns.NewLookup(nil)
	a.Count(&tally)
	b.Count(&tally)
	for i := range 70 {
		for _, l := range []*columns.Lookup{a, b} {
			for range 2 {
				l.Read(fmt.Appendf(nil, `{"k%d":1}`, i))
			}
		}
	}
	a.Read([]byte(`{"` + strings.Repeat("x", 257) + `":1}`))
	if n := len(counted(a)) + len(counted(b)); n != 100 || tally.More != 81 {
		t.Errorf("%d names, %d more", n, tally.More)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var tally columns.Tally
	l := columns.NewLookup([]columns.Field{{Key: "a", Type: &columns.Type{}}})
	l.Count(&tally)
	event := []byte(`{"a":1,"undeclared":2,"\u0075":3}`)
	l.Read(event)
	if n := testing.AllocsPerRun(100, func() { l.Read(event) }); n != 0 {
		t.Errorf("%v allocations an event", n)
	}
}

// What a schema leaves out knowingly is not counted; a member of that name with
// a field keeps it.
func TestIgnoredMembersAreNotCounted(t *testing.T) {
	schema := []byte(`{"properties":{"a":{"type":"string"},"both":{"type":"string"}},"strm_ignored":["extra","both"]}`)
	fields, err := columns.Parse(schema, false)
	if err != nil {
		t.Fatal(err)
	}
	var tally columns.Tally
	l := columns.NewLookup(fields)
	l.Count(&tally)
	l.Ignore(columns.Ignored(schema)...)
	for range 2 {
		if !l.Read([]byte(`{"a":"x","extra":1,"both":"y","other":2}`)) || string(l.Vals[1].Raw) != `"y"` {
			t.Fatalf("%+v", l.Vals)
		}
	}
	if got := counted(l); !slices.Equal(got, []string{"other 2"}) || tally.More != 0 {
		t.Errorf("%q, %d more", got, tally.More)
	}
	if got := columns.Ignored([]byte(`{"properties":{}}`)); got != nil {
		t.Errorf("%q", got)
	}
}
