//go:build race

package sqlite

// rapidChecks is how many histories each property is tried with: few, as the
// engine, C made into Go, takes ten times as long under the race detector.
const rapidChecks = "15"
