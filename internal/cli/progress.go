package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"strm/internal/cli/render"
	"strm/internal/cli/upload"
)

// progress draws a bar on a terminal, and nothing elsewhere. Its methods are
// not for concurrent use.
type progress struct {
	w     io.Writer
	live  bool
	since time.Time
	drawn time.Time
}

// drawEvery bounds how often the bar is drawn.
const drawEvery = 100 * time.Millisecond

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, live: ok && term.IsTerminal(int(f.Fd())), since: time.Now()}
}

// update draws the state of things, now and then.
func (p *progress) update(u upload.Progress) {
	p.draw(func(elapsed time.Duration) string { return barLine(u, elapsed) })
}

// draw draws a line, now and then.
func (p *progress) draw(line func(elapsed time.Duration) string) {
	now := time.Now()
	if !p.live || now.Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn = now
	_, _ = io.WriteString(p.w, "\r\x1b[K"+line(now.Sub(p.since))) // a bar that cannot be drawn harms nobody
}

// say writes a line above the bar.
func (p *progress) say(line string) {
	p.clear()
	_, _ = fmt.Fprintln(p.w, line)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.live && !p.drawn.IsZero() {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
}

// bar returns a bar and how far it is.
func bar(done, size int64) string {
	const width = 20
	part := 1.0
	if size > 0 {
		part = min(float64(done)/float64(size), 1)
	}
	full := int(part * width)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(".", width-full), part*100)
}

// barLine returns the bar for a state after some time.
func barLine(u upload.Progress, elapsed time.Duration) string {
	rate := float64(u.Fresh) / max(elapsed.Seconds(), 0.001)
	if u.Size <= 0 {
		return fmt.Sprintf("%s  %d events  %s  %.0f events/s", u.File, u.Events, render.Bytes(u.Read), rate)
	}
	line := fmt.Sprintf("%s  %s  %s of %s  %.0f events/s", u.File, bar(u.Read, u.Size), render.Bytes(u.Read), render.Bytes(u.Size), rate)
	if left := u.Size - u.Read; left > 0 && u.Begun < u.Read && elapsed > time.Second {
		eta := time.Duration(float64(elapsed) * float64(left) / float64(u.Read-u.Begun))
		line += "  " + eta.Round(time.Second).String() + " left"
	}
	return line
}
