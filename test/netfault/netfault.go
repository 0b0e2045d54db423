// Package netfault is a TCP proxy that spoils the path it stands on: it cuts
// connections, swallows what is sent over them, or delays it, until it is told
// to heal. With several targets it is a small load balancer.
package netfault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Fault is what a proxy does to its connections.
type Fault int32

// The faults.
const (
	None    Fault = iota
	Cut           // connections are reset, new ones too
	Swallow       // nothing passes, and nobody is told
	Delay         // every piece of data waits Latency
)

// Latency is how long a piece of data waits under Delay.
const Latency = 300 * time.Millisecond

// Proxy passes connections on to one of its targets, in turn; a target that
// takes no connection is passed over.
type Proxy struct {
	addr string
	l    net.Listener
	work sync.WaitGroup
	stop context.CancelFunc
	ctx  context.Context //nolint:containedctx // of the connections that it owns

	mu      sync.Mutex
	targets []string
	next    int
	conns   map[net.Conn]struct{}
	fault   Fault
	changed chan struct{} // closed when fault changes
}

// Listen starts a proxy on a free loopback port. Close ends it.
func Listen(ctx context.Context, targets ...string) (*Proxy, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{addr: l.Addr().String(), l: l, targets: targets, conns: map[net.Conn]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.work.Add(1)
	go p.accept()
	return p, nil
}

// Addr returns where the proxy listens.
func (p *Proxy) Addr() string { return p.addr }

// Targets replaces where new connections go.
func (p *Proxy) Targets(targets ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
}

// Set changes the fault. What was swallowed meanwhile goes on its way when the
// proxy heals, as a network delivers late.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	close(p.changed)
	p.changed = make(chan struct{})
	if f == Cut {
		p.reset()
	}
}

// reset ends every connection abruptly. Under mu.
func (p *Proxy) reset() {
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // without it the reset is a plain close
		}
		_ = c.Close() // it is to be unusable, and is
	}
}

// Close ends all connections and waits.
func (p *Proxy) Close() error {
	p.stop()
	err := p.l.Close()
	p.mu.Lock()
	p.reset()
	p.mu.Unlock()
	p.work.Wait()
	return err
}

func (p *Proxy) accept() {
	defer p.work.Done()
	for {
		c, err := p.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		p.work.Add(1)
		go p.serve(c)
	}
}

func (p *Proxy) serve(c net.Conn) {
	defer p.work.Done()
	if !p.keep(c) {
		return
	}
	defer p.drop(c)
	if !p.gate() {
		return
	}
	up, err := p.dial()
	if err != nil || !p.keep(up) {
		return
	}
	defer p.drop(up)
	done := make(chan struct{})
	p.work.Add(1)
	go func() {
		defer p.work.Done()
		defer close(done)
		p.copy(up, c)
	}()
	p.copy(c, up)
	<-done
}

// copy passes data on until either side ends, and then ends both: HTTP needs no
// half-closed connections.
func (p *Proxy) copy(to, from net.Conn) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !p.gate() {
				return
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// gate waits as the fault demands, and reports whether data may pass.
func (p *Proxy) gate() bool {
	delayed := false
	for {
		p.mu.Lock()
		fault, changed := p.fault, p.changed
		p.mu.Unlock()
		switch fault {
		case Cut:
			return false
		case Swallow:
			select {
			case <-changed:
			case <-p.ctx.Done():
				return false
			}
		case Delay:
			if delayed {
				return true
			}
			delayed = true
			t := time.NewTimer(Latency)
			select {
			case <-t.C:
			case <-changed:
			case <-p.ctx.Done():
			}
			t.Stop()
		case None:
			return p.ctx.Err() == nil
		}
	}
}

// dial connects to the next target that answers.
func (p *Proxy) dial() (net.Conn, error) {
	p.mu.Lock()
	targets := p.targets
	first := p.next
	p.next++
	p.mu.Unlock()
	err := errors.New("no target")
	for i := range targets {
		var c net.Conn
		d := net.Dialer{Timeout: time.Second}
		if c, err = d.DialContext(p.ctx, "tcp", targets[(first+i)%len(targets)]); err == nil {
			return c, nil
		}
	}
	return nil, err
}

func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() != nil || p.fault == Cut {
		_ = c.Close() // nothing was said over it yet
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
	_ = c.Close() // as a rule it is closed already
}
