//go:build race

package embedded

const manyIDs = 1_000_000 // the race detector makes each slow
