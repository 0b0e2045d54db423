package servers

import "context"

// TB is what a server needs of a test.
type TB interface {
	Helper()
	Context() context.Context
	TempDir() string
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Cleanup(f func())
}
