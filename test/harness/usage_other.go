//go:build !linux

package harness

import "errors"

// UsageOf reads what a running process has used. It needs /proc.
func UsageOf(int) (Usage, error) {
	return Usage{}, errors.New("usage of a process: only known on Linux")
}
