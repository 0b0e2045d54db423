//go:build !race

package kafka

import "time"

const (
	slowness    = 1
	fullWait    = 300 * time.Millisecond
	modelChecks = "60"
)
