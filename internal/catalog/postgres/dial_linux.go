package postgres

import (
	"errors"
	"strings"
	"syscall"
)

// unacknowledged bounds how long sent bytes stay unacknowledged before the
// connection is given up, in milliseconds.
const unacknowledged = 20_000

// tcpUserTimeout is TCP_USER_TIMEOUT of tcp(7).
const tcpUserTimeout = 18

// impatient sets the bound on a new connection.
func impatient(network, _ string, c syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var set error
	err := c.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, unacknowledged)
	})
	return errors.Join(err, set)
}
