package airbyte

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"strm/internal/airbyte/protocol"
)

// lines is a chunk of the input.
type lines struct {
	text  []byte
	first int64
	err   error // io.EOF after the last
}

// read sends the input in chunks until its end or until done is closed. Two
// buffers go round.
func read(in io.Reader, to chan<- lines, free <-chan []byte, done <-chan struct{}) {
	src := protocol.NewLines(in)
	for {
		var buf []byte
		select {
		case buf = <-free:
		case <-done:
			return
		}
		text, first, err := src.Next(buf)
		select {
		case to <- lines{text, first, err}:
		case <-done:
			return
		}
		if err != nil {
			return
		}
	}
}

// keep is the largest buffer of lines that is used again.
const keep = 4 << 20

// loop takes the input to its end and returns once everything is stored and
// acknowledged, or after the first error once the uploads under way have ended.
func (w *writer) loop(ctx context.Context, in io.Reader) error {
	var (
		input   = make(chan lines)
		free    = make(chan []byte, 2)
		done    = make(chan struct{})
		jobs    = make(chan job)
		results = make(chan result)
		wg      sync.WaitGroup
	)
	// Attempts under way outlive ctx, for as long as the grace lasts.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go read(in, input, free, done) // ends with the input, or at the next line after done
	free <- nil
	free <- nil
	for range workers {
		wg.Go(func() {
			for j := range jobs {
				results <- w.store(work, j)
			}
		})
	}
	tick := time.NewTicker(w.deps.Tick)
	defer tick.Stop()
	w.lastCame = time.Now()

	ended, stopped := false, ctx.Done()
	var grace *time.Timer
	for !ended || w.running > 0 || len(w.queue) > 0 {
		from, to, next := input, jobs, job{}
		if ended || w.full() {
			from = nil
		}
		if len(w.queue) > 0 {
			next = w.queue[0]
		} else {
			to = nil
		}
		var err error
		select {
		case l := <-from:
			ended, err = w.chunk(l)
			large := cap(l.text) > keep
			if large {
				l.text = nil
			}
			if !ended {
				free <- l.text
			}
			if large {
				debug.FreeOSMemory() // what comes next, encoding, takes as much again
			}
		case to <- next:
			w.queue = w.queue[1:]
			w.running++
		case r := <-results:
			w.running--
			err = w.settle(r)
		case <-tick.C:
			w.overdue(time.Now())
		case <-stopped:
			stopped, err = nil, fmt.Errorf("%w: what is stored is acknowledged, nothing was deleted", ErrTerminated)
		}
		if err != nil {
			w.fail(err)
		}
		if w.failed != nil {
			ended, w.queue = true, nil
			if grace == nil {
				grace = time.AfterFunc(w.deps.Grace, cancel)
				defer grace.Stop()
			}
		}
	}
	close(done)
	close(jobs)
	wg.Wait()
	return w.failed
}

// fail notes the first error. No attempt follows those under way.
func (w *writer) fail(err error) {
	if w.failed == nil {
		w.failed = err
	}
	w.stopOnce.Do(func() { close(w.stop) })
}

func (w *writer) stopping() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// chunk handles a piece of the input and reports whether it was the last.
func (w *writer) chunk(l lines) (ended bool, err error) {
	if errors.Is(l.err, io.EOF) {
		for _, s := range w.track.streams {
			w.flush(s)
		}
		return true, nil
	}
	if l.err != nil {
		return true, l.err
	}
	text, number, before := l.text, l.first, w.seq
	for len(text) > 0 {
		line, whole := text, false
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text, whole = text[:end], text[end+1:], true
		} else {
			text = nil
		}
		if !whole && protocol.BreaksOff(line) {
			w.cut = number
			break
		}
		if err := w.take(line, number); err != nil {
			return true, err
		}
		number++
	}
	if w.seq > before {
		w.lastCame = time.Now()
	}
	return false, nil
}

// flush closes the stream's chunk, if it has any, and sends it on its way.
func (w *writer) flush(s *stream) {
	c := s.open
	if c == nil {
		return
	}
	s.open = nil
	s.moving = append(s.moving, c)
	w.jobs++
	w.queue = append(w.queue, job{chunk: c, id: w.run + "-" + strconv.FormatInt(w.jobs, 10)})
}

// overdue sends what waiting states wait for: soon when the source is silent,
// which may be waiting for them, else at the interval.
func (w *writer) overdue(now time.Time) {
	before := now.Add(-w.cfg.Flush)
	if w.track.bytes > mostWaiting {
		before = now
	}
	if now.Sub(w.lastCame) >= w.deps.Idle {
		before = now.Add(-w.deps.Idle)
	}
	w.track.overdue(before, w.flush)
}

// bound keeps the spool within its bounds: the largest chunks go to disk, and
// where that is full, into the bucket.
func (w *writer) bound() error {
	if w.spool.memory > w.deps.Memory {
		open := w.byMemory()
		for _, s := range open {
			if w.spool.memory <= w.deps.Memory/2 {
				break
			}
			if err := w.spool.spill(s.open, nil); err != nil {
				return err
			}
		}
	}
	if w.spool.disk > w.deps.Disk && w.running+len(w.queue) == 0 { // else some of it goes soon
		var largest *stream
		for _, s := range w.track.streams {
			if s.open != nil && (largest == nil || s.open.bytes > largest.open.bytes) {
				largest = s
			}
		}
		if largest != nil {
			w.flush(largest)
		}
	}
	return nil
}

// byMemory returns the streams with records in memory, those with most first.
func (w *writer) byMemory() []*stream {
	var open []*stream
	for _, s := range w.track.streams {
		if s.open != nil && len(s.open.buf) > 0 {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b *stream) int { return len(b.open.buf) - len(a.open.buf) })
	return open
}

// full reports whether the input must wait for uploads.
func (w *writer) full() bool {
	if w.running+len(w.queue) == 0 {
		return false
	}
	return w.spool.memory > w.deps.Memory || w.spool.disk > w.deps.Disk || w.track.bytes > mostWaiting
}

// settle takes the result of a job: the chunk is gone, states may be due.
func (w *writer) settle(r result) error {
	c := r.job.chunk
	s := c.stream
	if err := w.spool.drop(c); err != nil {
		w.out.Log(protocol.Warn, "%v", err)
	}
	if r.err != nil {
		return r.err // the chunk stays among those moving: nothing after it is acknowledged
	}
	s.moving = slices.DeleteFunc(s.moving, func(m *chunk) bool { return m == c })
	s.written = append(s.written, r.key)
	s.lost.Add(&r.lost)
	w.objects++
	w.size += r.size
	w.out.Log(protocol.Info, "stored %s: %d records, %d bytes", r.key, c.records, r.size)
	return w.acknowledge(s)
}

// acknowledge sends back the states that are due.
func (w *writer) acknowledge(s *stream) error {
	for _, d := range w.track.due(s) {
		if err := w.out.Line(d.state.Echo(nil, d.records)); err != nil {
			return err
		}
	}
	return nil
}
