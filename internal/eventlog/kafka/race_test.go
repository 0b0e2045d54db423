//go:build race

package kafka

import "time"

// The race detector makes everything some ten times as slow.
const (
	slowness    = 4               // of what tests wait for
	fullWait    = 8 * time.Second // what is refused is refused after that; settling thousands of ids takes less
	modelChecks = "12"            // runs of the model
)
