package main

import (
	"testing"
)

// TestCrash is a short run of what `make crash` does at length. The seed is one
// whose rounds hold every way of ending the server.
func TestCrash(t *testing.T) {
	res, err := run(t.Context(), config{rounds: 10, seed: 3, faults: 0.3, dir: t.TempDir(), out: t.Output()})
	t.Log(res)
	if err != nil {
		t.Fatal(err)
	}
	// A run that did nothing would prove nothing.
	if res.kills == 0 || res.early == 0 || res.terms == 0 || res.Events == 0 || res.Repeats == 0 || res.Objects == 0 || res.faults == "" ||
		res.files.events == 0 || res.files.replaced == 0 || res.files.reports == 0 || res.files.again == 0 {
		t.Fatalf("the run did not exercise what it is for: %v", res)
	}
}
