//go:build !race

package kafka

import "time"

const (
	slowness    = 1
	fullWait    = 2 * time.Second // what is refused is refused after that; settling thousands of ids takes less
	modelChecks = "60"
)
