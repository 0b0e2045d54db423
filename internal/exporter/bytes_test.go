package exporter_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"strm/internal/catalog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var catalogAll = catalog.BatchQuery{Limit: 100}

func unzstd(t *testing.T, raw []byte) []byte {
	t.Helper()
	zr, err := zstd.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	defer zr.Close()
	out, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
