//go:build !race

package embedded_test

// rapidChecks is how many histories each property is tried with.
const rapidChecks = "100"
