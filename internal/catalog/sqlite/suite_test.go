package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"strm/internal/catalog"
	"strm/internal/catalog/catalogtest"
)

func TestCatalog(t *testing.T) {
	catalogtest.Run(t, func(ctx context.Context, place string) (*catalog.DB, error) {
		return Open(ctx, filepath.Join(place, "catalog.db"))
	})
}

// A file belongs to one process, whose parts are like nodes to each other.
func TestShared(t *testing.T) {
	catalogtest.RunShared(t, func(ctx context.Context, place string) (*catalog.DB, error) {
		return Open(ctx, filepath.Join(place, "catalog.db"))
	}, false)
}
