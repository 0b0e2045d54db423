package simulate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"strm/internal/simulate"
)

type event struct {
	StrmMeta *struct {
		SchemaID      string `json:"schemaId"`
		ConsentLevels []int  `json:"consentLevels"`
	} `json:"strmMeta"`
	ProducerSessionID string `json:"producerSessionId"`
	URL               string `json:"url"`
	EventType         string `json:"eventType"`
	Referrer          string `json:"referrer"`
	UserAgent         string `json:"userAgent"`
	Conversion        int    `json:"conversion"`
	Customer          struct {
		ID string `json:"id"`
	} `json:"customer"`
	ABTests []string `json:"abTests"`
}

func read(t *testing.T, line []byte) event {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var e event
	if err := d.Decode(&e); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return e
}

func TestShape(t *testing.T) {
	g := simulate.New(7, simulate.Options{})
	sessions, urls, total := map[string]event{}, map[string]bool{}, 0
	const n = 20_000
	for range n {
		line := g.Append(nil)
		total += len(line)
		e := read(t, line)
		if bytes.ContainsAny(line, "\r\n") || e.StrmMeta == nil || e.StrmMeta.SchemaID != "clickstream" || e.ABTests == nil || e.UserAgent == "" {
			t.Fatalf("%s", line)
		}
		if lv := e.StrmMeta.ConsentLevels; !slices.Equal(lv, []int{0, 1, 2, 3}[:len(lv)]) {
			t.Fatalf("consents %v", lv)
		}
		var num int
		if _, err := fmt.Sscanf(e.ProducerSessionID, "session-%d", &num); err != nil || num < 0 || num >= 1000 {
			t.Fatalf("session %q", e.ProducerSessionID)
		}
		if e.Customer.ID != "customer-"+e.ProducerSessionID {
			t.Fatalf("customer %q of %q", e.Customer.ID, e.ProducerSessionID)
		}
		if old, ok := sessions[e.ProducerSessionID]; ok && (old.UserAgent != e.UserAgent || !slices.Equal(old.StrmMeta.ConsentLevels, e.StrmMeta.ConsentLevels)) {
			t.Fatalf("session %q changed", e.ProducerSessionID)
		}
		sessions[e.ProducerSessionID] = e
		urls[e.URL] = true
	}
	if mean := total / n; mean < 440 || mean > 580 {
		t.Errorf("mean size %d", mean)
	}
	if len(sessions) != 1000 || len(urls) < 5000 {
		t.Errorf("%d sessions, %d urls", len(sessions), len(urls))
	}
}

func TestDeterministic(t *testing.T) {
	text := func(seed uint64, o simulate.Options) string {
		g := simulate.New(seed, o)
		var b []byte
		for range 100 {
			b = append(g.Append(b), '\n')
		}
		return string(b)
	}
	first, again := text(1, simulate.Options{}), text(1, simulate.Options{})
	if first != again {
		t.Error("the same seed gave other events")
	}
	if first == text(2, simulate.Options{}) {
		t.Error("another seed gave the same events")
	}
	if e := read(t, simulate.New(1, simulate.Options{NoMeta: true}).Append(nil)); e.StrmMeta != nil {
		t.Error("strmMeta although it was not wanted")
	}
}
