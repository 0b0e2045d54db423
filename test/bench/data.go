package main

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// minSize is the smallest mean event size that the generator can make.
const minSize = 480

// dataFile returns the path of an NDJSON file with the events, made once and
// kept in the user's cache directory.
func dataFile(events, size int) (string, error) {
	if size < minSize {
		return "", fmt.Errorf("an event of %d bytes: at least %d are needed", size, minSize)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "strm-bench")
	name := filepath.Join(dir, fmt.Sprintf("clickstream-3-%d-%d.ndjson", events, size))
	if _, err := os.Stat(name); err == nil || !errors.Is(err, os.ErrNotExist) {
		return name, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Written under another name first: a file that was cut off must not count.
	f, err := os.CreateTemp(dir, "making-*")
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = generate(w, events, size)
	if err := errors.Join(err, w.Flush(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return name, os.Rename(f.Name(), name)
}

// session is a visitor for a while.
type session struct {
	id, customer, agent, locale string
	width, height, left         int
}

// generator makes clickstream events such as a web shop sends: ids that do not
// compress, addresses and agents that repeat, sessions that mingle.
type generator struct {
	rng      *rand.Rand
	sessions [60]session
	now      time.Time
	size     int
}

var (
	agents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
		"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
		"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Mobile Safari/537.36",
	}
	locales  = []string{"nl-NL", "en-GB", "de-DE", "fr-FR", "en-US"}
	kinds    = []string{"pageview", "click", "scroll", "add_to_cart", "search", "checkout"}
	sections = []string{"shoes", "jackets", "garden", "kitchen", "books", "toys", "sale", "account", "help"}
	refs     = []string{"", "https://www.google.com/", "https://duckduckgo.com/", "https://news.example/today", "https://social.example/feed"}
	words    = []string{"blue", "large", "summer", "offer", "button", "left", "banner", "review", "size", "chart", "delivery", "tomorrow", "stock", "gift"}
)

func generate(w io.Writer, events, size int) error {
	g := &generator{rng: rand.New(rand.NewPCG(544, 2)), now: time.Date(2026, 3, 26, 9, 0, 0, 0, time.UTC), size: size}
	var b []byte
	for range events {
		b = g.append(b[:0])
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) pick(list []string) string { return list[g.rng.IntN(len(list))] }

func (g *generator) random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rng.Uint32())
	}
	return base64.StdEncoding.EncodeToString(b)
}

// append adds one event and a newline.
func (g *generator) append(b []byte) []byte {
	s := &g.sessions[g.rng.IntN(len(g.sessions))]
	if s.left == 0 {
		*s = session{id: g.random(27), customer: g.random(27), agent: g.pick(agents), locale: g.pick(locales),
			width: 320 + 80*g.rng.IntN(20), height: 600 + 40*g.rng.IntN(20), left: 1 + g.rng.IntN(40)}
	}
	s.left--
	g.now = g.now.Add(time.Duration(g.rng.IntN(2000)) * time.Microsecond)
	start := len(b)
	b = fmt.Appendf(b, `{"eventId":"%08x-%04x-4%03x-a%03x-%012x","producerSessionId":"%s","timestamp":"%s","url":"https://www.shop.example/%s/%d?ref=%s","eventType":"%s","referrer":"%s","userAgent":"%s","conversion":%d,"customer":{"id":"%s"},"screen":{"width":%d,"height":%d},"locale":"%s","abTests":["t%d","t%d"],"note":"`,
		g.rng.Uint32(), g.rng.IntN(1<<16), g.rng.IntN(1<<12), g.rng.IntN(1<<12), g.rng.Int64N(1<<48),
		s.id, g.now.Format("2006-01-02T15:04:05.000Z"), g.pick(sections), g.rng.IntN(5000), g.pick(words), g.pick(kinds), g.pick(refs), s.agent,
		g.rng.IntN(2), s.customer, s.width, s.height, s.locale, g.rng.IntN(8), g.rng.IntN(8))
	want := start + g.size - 3 - 49 + g.rng.IntN(73)
	for len(b) < want {
		b = append(append(b, g.pick(words)...), ' ')
	}
	return append(b, "\"}\n"...)
}
