//go:build integration

package main

import (
	"testing"
	"time"
)

// TestCluster is a short run of what `make cluster` does at length.
func TestCluster(t *testing.T) {
	res, err := run(t.Context(), config{rounds: 6, seed: 1, faults: 0.05, lease: 3 * time.Second, stall: 90 * time.Second, dir: t.TempDir(), out: t.Output()})
	t.Log(res)
	if err != nil {
		t.Fatal(err)
	}
	// A run that did nothing would prove nothing.
	if res.Events == 0 || res.Repeats == 0 || res.Retries == 0 || res.Objects == 0 || res.faults == "" {
		t.Fatalf("the run did not exercise what it is for: %v", res)
	}
}

// TestMigration moves a single node to the cluster under load, and breaks
// something afterwards.
func TestMigration(t *testing.T) {
	for name, seed := range map[string]uint64{"stopped": 1, "killed": 2} {
		t.Run(name, func(t *testing.T) {
			res, err := run(t.Context(), config{rounds: 2, seed: seed, faults: 0.05, lease: 3 * time.Second, stall: 90 * time.Second, migrate: true, dir: t.TempDir(), out: t.Output()})
			t.Log(res)
			if err != nil {
				t.Fatal(err)
			}
			if res.moved == 0 || res.Events == 0 || res.Objects == 0 {
				t.Fatalf("the run did not exercise what it is for: %v", res)
			}
		})
	}
}
