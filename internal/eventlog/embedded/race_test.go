//go:build race

package embedded_test

// rapidChecks is how many histories each property is tried with: few, as the
// race detector makes each slow.
const rapidChecks = "30"
