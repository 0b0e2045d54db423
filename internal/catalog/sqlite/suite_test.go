package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/catalog"
	"strm/internal/catalog/catalogtest"
)

func TestCatalog(t *testing.T) {
	// Leaks are looked for once, after everything that was opened is closed.
	defer goleak.VerifyNone(t)
	catalogtest.Run(t, func(ctx context.Context, place string) (*catalog.DB, error) {
		return Open(ctx, filepath.Join(place, "catalog.db"))
	})
}
