//go:build integration

package postgres

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between strm and the server.
type proxy struct {
	to    string
	l     net.Listener
	wg    sync.WaitGroup
	mu    sync.Mutex
	conns []net.Conn
	// seen says what becomes of bytes for the server; nil: they go on.
	seen   func(b []byte) fate
	frozen chan struct{} // closed: nothing goes on any more
}

type fate int

const (
	goOn         fate = iota
	loseRequest       // the connection ends before the server has them
	loseResponse      // it ends when the server has answered
)

// through starts a proxy before the shared server and returns the URL.
func through(t *testing.T, raw string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: u.Host, l: l, frozen: make(chan struct{})}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) when(seen func(b []byte) fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = seen
}

func (p *proxy) close() {
	_ = p.l.Close()
	p.cut()
	p.wg.Wait()
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, in, out)
		p.mu.Unlock()
		var lose sync.Once
		drop := make(chan struct{}) // closed: the next answer is lost
		p.wg.Go(func() {
			defer func() { _, _ = in.Close(), out.Close() }()
			p.copy(out, in, func(b []byte) bool {
				p.mu.Lock()
				seen := p.seen
				p.mu.Unlock()
				if seen == nil {
					return true
				}
				switch seen(b) {
				case goOn:
				case loseRequest:
					return false
				case loseResponse:
					lose.Do(func() { close(drop) })
				}
				return true
			})
		})
		p.wg.Go(func() {
			defer func() { _, _ = in.Close(), out.Close() }()
			p.copy(in, out, func([]byte) bool {
				select {
				case <-drop:
					return false
				default:
					return true
				}
			})
		})
	}
}

func (p *proxy) copy(to io.Writer, from io.Reader, pass func(b []byte) bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if err != nil || !pass(b[:n]) {
			return
		}
		select {
		case <-p.frozen:
			continue // taken and kept
		default:
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// commits is a fate for the next commit.
func commits(f fate) func([]byte) fate {
	return func(b []byte) fate {
		if bytes.Contains(b, []byte("commit\x00")) {
			return f
		}
		return goOn
	}
}

func (f fate) String() string { return []string{"goes on", "request lost", "answer lost"}[f] }
