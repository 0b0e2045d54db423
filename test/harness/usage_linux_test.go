package harness

import (
	"os"
	"testing"
	"time"
)

func TestUsageOfThisProcess(t *testing.T) {
	before, err := UsageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.PeakRSS < 1<<20 || before.PeakRSS > 64<<30 {
		t.Errorf("peak memory %d bytes", before.PeakRSS)
	}
	// Burn time until /proc notices; a usage that stands still would hang here
	// and be ended by the deadline.
	x, end := 1, time.Now().Add(2*time.Minute)
	for {
		for range 1_000_000 {
			x = x*31 + 7
		}
		now, err := UsageOf(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if now.CPU > before.CPU {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("CPU time stands still at %v (%d)", now.CPU, x)
		}
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("a process that is not there has no usage")
	}
}
