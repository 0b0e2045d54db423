package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// eventID names one event: its sender and its number there.
type eventID struct {
	sender int
	n      int64
}

func (id eventID) String() string { return fmt.Sprintf("%d-%09d", id.sender, id.n) }

func parseID(s string) (eventID, error) {
	sender, n, ok := strings.Cut(s, "-")
	var id eventID
	var err error
	if id.sender, err = strconv.Atoi(sender); !ok || err != nil {
		return eventID{}, fmt.Errorf("no event id: %q", s)
	}
	if id.n, err = strconv.ParseInt(n, 10, 64); err != nil {
		return eventID{}, fmt.Errorf("no event id: %q", s)
	}
	return id, nil
}

// pad returns up to 300 bytes that follow from the id alone, so that a reader
// can tell a damaged event from a whole one.
func (id eventID) pad() string {
	r := rand.New(rand.NewPCG(uint64(id.sender), uint64(id.n)))
	b := make([]byte, r.IntN(300))
	for i := range b {
		b[i] = "abcdefghijklmnopqrstuvwxyz 0123456789"[r.IntN(37)]
	}
	return string(b)
}

// appendEvent appends the event's JSON, without a newline.
func appendEvent(b []byte, id eventID) []byte {
	return fmt.Appendf(b, `{"id":"%v","kind":"crash","nested":{"n":%d,"list":[1,2.5,null,true]},"pad":"%s"}`, id, id.n, id.pad())
}

// readLine checks one line of the object with this key.
func readLine(line []byte, key string, of streamSpec) (eventID, error) {
	if of.segment {
		return readCall(line, key)
	}
	return readEvent(line, of.meta)
}

// readEvent checks one delivered line and returns its id. wantMeta says
// whether strm was asked to add strmMeta.
func readEvent(line []byte, wantMeta bool) (eventID, error) {
	if !gjson.ValidBytes(line) {
		return eventID{}, fmt.Errorf("not JSON: %.200q", line)
	}
	doc := gjson.ParseBytes(line)
	id, err := parseID(doc.Get("id").Str)
	if err != nil {
		return eventID{}, err
	}
	meta := doc.Get("strmMeta")
	if meta.Exists() != wantMeta {
		return id, fmt.Errorf("event %v: strmMeta present is %v, want %v", id, meta.Exists(), wantMeta)
	}
	if doc.Get("pad").Str != id.pad() || doc.Get("nested.n").Int() != id.n || doc.Get("nested.list").Raw != "[1,2.5,null,true]" {
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
