package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports come from below the range that the system gives to outgoing
// connections. From that range a client's own connection could take the port of
// a server that is down for a moment, or a client could connect to itself.
const (
	lowestPort  = 15000
	highestPort = 31999
)

// FreeAddr returns one address, as FreeAddrs does.
func FreeAddr(ctx context.Context) (string, error) {
	addrs, err := FreeAddrs(ctx, 1)
	if err != nil {
		return "", err
	}
	return addrs[0], nil
}

// FreeAddrs returns n different addresses, "127.0.0.1:port", that were free a
// moment ago and stay so while their servers are down, unless another program
// asks for them by number.
func FreeAddrs(ctx context.Context, n int) ([]string, error) {
	var (
		lc   net.ListenConfig
		out  []string
		held []net.Listener
		last error
	)
	for try := 0; len(out) < n && try < 1000; try++ {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1)
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		held = append(held, l)
		out = append(out, l.Addr().String())
	}
	var errs []error
	for _, l := range held {
		errs = append(errs, l.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("find free ports: %w", err)
	}
	if len(out) < n {
		return nil, fmt.Errorf("find free ports: %d of %d: %w", len(out), n, last)
	}
	return out, nil
}
