//go:build !linux && !darwin

package eventfile

import "math"

// freeBytes does not know: a full disk is noticed when it is full.
func freeBytes(string) (int64, error) { return math.MaxInt64, nil }
