package harness

import "time"

// Usage is what a process has used so far.
type Usage struct {
	CPU     time.Duration // user and system
	PeakRSS int64         // bytes
}
