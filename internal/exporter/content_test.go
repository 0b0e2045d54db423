package exporter

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/semaphore"

	"strm/internal/eventlog"
	"strm/internal/format/formattest"
	"strm/internal/format/jsonl"
	"strm/internal/stream"
)

// readOnly is a log that only reads.
type readOnly struct {
	eventlog.Log
	blocks []stream.Block
}

func (l readOnly) Read(context.Context, string, stream.Range) iter.Seq2[stream.Block, error] {
	return formattest.Seq(l.blocks)
}

func (l readOnly) Index(context.Context, string, stream.Range) iter.Seq2[stream.BlockHeader, error] {
	return func(yield func(stream.BlockHeader, error) bool) {
		for _, b := range l.blocks {
			if !yield(b.BlockHeader, nil) {
				return
			}
		}
	}
}

func TestObjectHasTheSameBytesWhereverItIsKept(t *testing.T) {
	large := make([]int, 8)
	for i := range large {
		large[i] = 4000 // 2.5 MB in all: more than fits in memory
	}
	gone := filepath.Join(t.TempDir(), "no such directory")
	for name, c := range map[string]struct {
		events      []int
		compression string
		room        int64
		dir         string
	}{
		"in memory":               {[]int{3, 4}, "none", maxSpooled, t.TempDir()},
		"in a file":               {large, "none", maxSpooled, t.TempDir()},
		"encoded twice, no room":  {large, "none", 100, t.TempDir()},
		"encoded twice, no disk":  {large, "none", maxSpooled, gone},
		"encoded twice, half way": {large, "none", 2 << 20, t.TempDir()},
		"blocks as they are":      {large, "gzip", 0, gone},
		"packed":                  {[]int{3, 4, 5}, "gzip", maxSpooled, t.TempDir()},
		"zstd":                    {large, "zstd", maxSpooled, t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			blocks := formattest.Blocks(t, c.events...)
			var want bytes.Buffer
			events, err := jsonl.Format{}.Encode(&want, stream.Output{Compression: c.compression}, formattest.Input(blocks))
			if err != nil {
				t.Fatal(err)
			}
			r := &Runner{log: readOnly{blocks: blocks}, spoolDir: c.dir, spooled: semaphore.NewWeighted(c.room)}
			b := &stream.Batch{Output: stream.Output{Compression: c.compression}}
			got, err := r.open(t.Context(), jsonl.Format{}, b, &stream.Object{Ranges: []stream.Range{{End: stream.Offset(events)}}, Events: events})
			if err != nil {
				t.Fatal(err)
			}
			if got.Size != int64(want.Len()) || got.CRC32 != crc32.ChecksumIEEE(want.Bytes()) {
				t.Errorf("size %d, CRC %08x; want %d, %08x", got.Size, got.CRC32, want.Len(), crc32.ChecksumIEEE(want.Bytes()))
			}
			for range 2 { // as a retry would
				readBack(t, got, want.Bytes())
			}
			if err := got.close(); err != nil {
				t.Error(err)
			}
			if !r.spooled.TryAcquire(c.room) {
				t.Error("room was not given back")
			}
			if left, err := os.ReadDir(c.dir); err == nil && len(left) > 0 {
				t.Errorf("%d files are left", len(left))
			}
		})
	}
}

// readBack reads from the start, after a seek into the middle, and once gives up.
func readBack(t *testing.T, c content, want []byte) {
	t.Helper()
	body, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := body.Seek(0, io.SeekEnd); err != nil || n != int64(len(want)) {
		t.Errorf("length %d, %v", n, err)
	}
	half := int64(len(want) / 2)
	for _, from := range []int64{0, half, 0} {
		if _, err := body.Seek(from, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, want[from:]) {
			t.Errorf("from %d: %d bytes, %v; want %d", from, len(got), err, len(want)-int(from))
		}
	}
	if _, err := body.Seek(-1, io.SeekStart); err == nil {
		t.Error("a seek before the start was allowed")
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(body, make([]byte, half)); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
}
