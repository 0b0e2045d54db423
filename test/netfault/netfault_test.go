package netfault

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every line with name and the line.
func echo(t *testing.T, name string) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewScanner(c)
				for in.Scan() {
					if _, err := io.WriteString(c, name+in.Text()+"\n"); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *client {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, bufio.NewReader(c)}
}

func (c *client) ask(line string, within time.Duration) (string, error) {
	if line != "" { // sent whatever the time: only the answer may come too late
		if _, err := io.WriteString(c, line+"\n"); err != nil {
			return "", err
		}
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	return c.in.ReadString('\n')
}

func proxy(t *testing.T, targets ...string) *Proxy {
	t.Helper()
	p, err := Listen(context.Background(), targets...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestFaults(t *testing.T) {
	p := proxy(t, echo(t, "a"))
	c := dial(t, p)
	if got, err := c.ask("1", time.Minute); err != nil || got != "a1\n" {
		t.Fatalf("%q %v", got, err)
	}
	p.Set(Swallow)
	if got, err := c.ask("2", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("swallowed, but %q %v", got, err)
	}
	p.Set(None)
	if got, err := c.ask("", time.Minute); err != nil || got != "a2\n" {
		t.Fatalf("healed: %q %v", got, err)
	}
	p.Set(Delay)
	began := time.Now()
	if got, err := c.ask("3", time.Minute); err != nil || got != "a3\n" || time.Since(began) < 2*Latency {
		t.Fatalf("delayed: %q %v after %v", got, err, time.Since(began))
	}
	p.Set(Cut)
	if got, err := c.ask("4", time.Minute); err == nil {
		t.Fatalf("cut, but %q", got)
	}
	if got, err := dial(t, p).ask("5", time.Minute); err == nil {
		t.Fatalf("cut, but a new connection: %q", got)
	}
	p.Set(None)
	if got, err := dial(t, p).ask("6", time.Minute); err != nil || got != "a6\n" {
		t.Fatalf("healed: %q %v", got, err)
	}
}

func TestTargetsTakeTurnsAndTheDeadArePassedOver(t *testing.T) {
	dead, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := dead.Addr().String()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	p := proxy(t, echo(t, "a"), gone, echo(t, "b"))
	seen := map[string]int{}
	for range 6 {
		got, err := dial(t, p).ask("x", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		seen[got]++
	}
	if seen["ax\n"] == 0 || seen["bx\n"] == 0 {
		t.Errorf("answers %v", seen)
	}
	p.Targets(echo(t, "c"))
	if got, err := dial(t, p).ask("x", time.Minute); err != nil || got != "cx\n" {
		t.Errorf("other targets: %q %v", got, err)
	}
}
