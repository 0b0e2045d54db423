package traffic

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// EventID names one event: its sender and its number there.
type EventID struct {
	Sender int
	N      int64
}

func (id EventID) String() string { return fmt.Sprintf("%d-%09d", id.Sender, id.N) }

func parseID(s string) (EventID, error) {
	sender, n, ok := strings.Cut(s, "-")
	var id EventID
	var err error
	if id.Sender, err = strconv.Atoi(sender); !ok || err != nil {
		return EventID{}, fmt.Errorf("no event id: %q", s)
	}
	if id.N, err = strconv.ParseInt(n, 10, 64); err != nil {
		return EventID{}, fmt.Errorf("no event id: %q", s)
	}
	return id, nil
}

// Pad returns up to 300 bytes that follow from the id alone, so that a reader
// can tell a damaged event from a whole one.
func (id EventID) Pad() string {
	r := rand.New(rand.NewPCG(uint64(id.Sender), uint64(id.N)))
	b := make([]byte, r.IntN(300))
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz 0123456789"[r.IntN(37)]
	}
	return string(b)
}

// AppendEvent appends the event's JSON, without a newline.
func AppendEvent(b []byte, id EventID) []byte {
	return fmt.Appendf(b, `{"id":"%v","kind":"crash","nested":{"n":%d,"list":[1,2.5,null,true]},"pad":"%s"}`, id, id.N, id.Pad())
}

// readLine checks one line of the object with this key.
func readLine(line []byte, key string, of Stream) (EventID, error) {
	if of.Segment {
		return readCall(line, key)
	}
	return readEvent(line, of.Meta)
}

// readEvent checks one delivered line and returns its id. wantMeta says
// whether strm was asked to add strmMeta.
func readEvent(line []byte, wantMeta bool) (EventID, error) {
	if !gjson.ValidBytes(line) {
		return EventID{}, fmt.Errorf("not JSON: %.200q", line)
	}
	doc := gjson.ParseBytes(line)
	id, err := parseID(doc.Get("id").Str)
	if err != nil {
		return EventID{}, err
	}
	meta := doc.Get("strmMeta")
	if meta.Exists() != wantMeta {
		return id, fmt.Errorf("event %v: strmMeta present is %v, want %v", id, meta.Exists(), wantMeta)
	}
	if doc.Get("pad").Str != id.Pad() || doc.Get("nested.n").Int() != id.N || doc.Get("nested.list").Raw != "[1,2.5,null,true]" {
		return id, fmt.Errorf("event %v is damaged: %.300q", id, line)
	}
	want := 4
	if wantMeta {
		want = 5
	}
	if got := len(doc.Map()); got != want {
		return id, fmt.Errorf("event %v has %d fields, want %d", id, got, want)
	}
	return id, nil
}
