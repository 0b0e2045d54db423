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
