//go:build !race

package embedded

const (
	manyIDs     = 10_000_000
	manyIDBytes = 64_000_000
)
