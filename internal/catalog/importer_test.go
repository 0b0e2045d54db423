package catalog_test

import (
	"strm/internal/catalog"
	"strm/internal/importer"
)

// The catalog is the importer's ledger; neither may import the other.
var _ importer.Ledger = (*catalog.DB)(nil)
