package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// windowSize bounds how many chunks may be behind the low-water mark: it
// bounds memory and what a resumed send has to send again.
const windowSize = 64

// saveEvery is how often the mark is written down at most. An older mark costs
// some chunks sent again, nothing more.
const saveEvery = time.Second

// reachStep is how far ahead of what is sent the state promises that something
// may be sent: further costs a refusal to resume that was not needed, but only
// after a crash; less costs more writes.
const reachStep = windowSize * maxBytes

// pipeline sends the chunks of one file.
type pipeline struct {
	run *run
	in  *input
	enc *encoder

	stop chan struct{}      // closed at the first failure
	halt context.CancelFunc // ends waiting for a retry, not requests under way

	mu    sync.Mutex // guards what follows, and run's totals, Say and Progress
	win   *window
	state *state
	saved time.Time
	err   error // the first failure
}

// send sends everything from the window's mark on. Requests under way when
// something fails are let finish, so that what is known to be accepted is all
// that is.
func (p *pipeline) send(ctx context.Context) error {
	wait, halt := context.WithCancel(ctx)
	defer halt()
	p.halt, p.stop = halt, make(chan struct{})

	work := make(chan *chunk)
	slots := make(chan struct{}, windowSize)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(work)
		p.fail(p.read(ctx, work, slots))
	})
	for range max(p.run.opts.Parallel, 1) {
		wg.Go(func() {
			for c := range work {
				if !p.stopped() {
					p.fail(p.deliver(ctx, wait, c, slots))
				}
			}
		})
	}
	wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = ctx.Err()
	}
	p.state.Reach = p.win.furthest() // nothing leaves any more
	return errors.Join(p.err, p.save())
}

// fail notes the first failure and stops the pipeline.
func (p *pipeline) fail(err error) {
	if err == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		close(p.stop)
		p.halt()
	}
}

func (p *pipeline) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// read cuts the input and hands out chunks while the window has room.
func (p *pipeline) read(ctx context.Context, work chan<- *chunk, slots chan struct{}) error {
	cut := newChunker(p.in.r, p.win.low)
	for {
		select {
		case slots <- struct{}{}:
		case <-p.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		c, err := cut.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var known *problem.Error
			if errors.As(err, &known) {
				return fmt.Errorf("%s: %w", p.in.name, err)
			}
			return problem.New(problem.Invalid, "%s, after line %d: %w", p.in.name, cut.at.Lines, err)
		}
		select {
		case work <- c:
		case <-p.stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add notes that c is about to leave, on disk too if it is further on than what
// is known there. Crash before it leaves: the state tells of too much, which
// makes the next run more careful than it had to be.
func (p *pipeline) add(c *chunk) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.to.Offset > p.state.Reach {
		p.state.Reach = c.to.Offset + reachStep
		if err := p.save(); err != nil {
			return err
		}
	}
	p.win.add(c, wallClock())
	return nil
}

// deliver sends one chunk until it is accepted or hopeless.
func (p *pipeline) deliver(ctx, wait context.Context, c *chunk, slots chan struct{}) error {
	if len(c.line) == 0 {
		return p.ack(c, 0, slots) // nothing but blank lines
	}
	body, err := p.enc.body(c.body)
	if err != nil {
		return err
	}
	if err := p.add(c); err != nil {
		return err
	}
	req := apiclient.Append{
		Stream: p.run.opts.Stream, WriteKey: p.run.opts.WriteKey, Encoding: p.enc.encoding, Body: body,
		IdempotencyKey: p.state.Session + "-" + strconv.FormatInt(c.from.Offset, 10), Timeout: p.state.Window.timeout(),
	}
	var n int64
	err = Retry(wait, p.state.Window.retryFor(p.run.opts.RetryFor), p.run.waiting(&p.mu), func(context.Context) error {
		if !p.state.Window.safe(c.sent, wallClock(), 0) {
			return staleError(p.in.name, c.from, c.sent, p.state.Window)
		}
		var err error
		n, err = p.run.opts.Append(ctx, req)
		return p.run.judge(&p.mu, err)
	})
	if err != nil {
		return p.explain(c, err)
	}
	if n != int64(len(c.line)) {
		return fmt.Errorf("%s, lines %d to %d: the server counts %d events, but %d were sent", p.in.name, c.from.Lines+1, c.to.Lines, n, len(c.line))
	}
	return p.ack(c, n, slots)
}

// explain adds the file and the line in the file to an answer that names an
// event of the chunk.
func (p *pipeline) explain(c *chunk, err error) error {
	var e *apiclient.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Problem.Line > 0 {
		reason := e.Problem.Reason
		if reason == "" {
			reason = e.Error()
		}
		return problem.New(problem.KindOf(err), "%s, line %d: %s", p.in.name, c.lineOf(e.Problem.Line), reason)
	}
	if k := problem.KindOf(err); k == problem.Invalid || k == problem.TooLarge {
		return fmt.Errorf("%s, lines %d to %d: %w", p.in.name, c.from.Lines+1, c.to.Lines, err)
	}
	return err
}

// ack moves the window. Crash before the state is saved: the chunk is sent
// again under its key and counts once.
func (p *pipeline) ack(c *chunk, n int64, slots chan struct{}) error {
	size := c.to.Offset - c.from.Offset
	p.mu.Lock()
	moved := p.win.ack(c, n)
	p.run.accepted(p.in, n, size)
	var err error
	if moved > 0 && time.Since(p.saved) >= saveEvery {
		err = p.save()
	}
	p.mu.Unlock()
	for range moved {
		<-slots
	}
	return err
}

// save writes the mark down. The caller holds mu.
func (p *pipeline) save() error {
	p.saved = time.Now()
	p.state.Low, p.state.Events, p.state.LowAt = p.win.low, p.win.events, p.win.oldest(wallClock())
	p.state.Accepted = p.win.accepted()
	if !p.in.resumable() {
		return nil
	}
	return p.run.store.save(p.state)
}
