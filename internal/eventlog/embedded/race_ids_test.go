//go:build race

package embedded

// The race detector makes each id slow, so fewer; the table that is being filled
// weighs more then.
const (
	manyIDs     = 1_000_000
	manyIDBytes = 16_000_000
)
