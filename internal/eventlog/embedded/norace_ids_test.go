//go:build !race

package embedded

const manyIDs = 10_000_000
