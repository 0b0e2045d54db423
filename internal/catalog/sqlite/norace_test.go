//go:build !race

package sqlite

// rapidChecks is how many histories each property is tried with.
const rapidChecks = "100"
