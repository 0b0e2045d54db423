package kafka

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// compressed returns text as a batch of a producer would hold it.
func compressed(t *testing.T, text []byte) []byte {
	t.Helper()
	c, err := kgo.DefaultCompressor(kgo.Lz4Compression())
	if err != nil {
		t.Fatal(err)
	}
	out, codec := c.Compress(new(bytes.Buffer), text)
	if codec != kgo.CodecLz4 {
		t.Fatalf("compressed by codec %d", codec)
	}
	return bytes.Clone(out)
}

// What is lent is lent once: text of small and large batches, which outgrow their buffers or
// do not, stays as it is until it is given back, and is right when memory is used again.
func TestLentMemoryIsNotSharedBeforeItIsReleased(t *testing.T) {
	var m memory
	d := kgo.DefaultDecompressor(&m)
	for round := range 5 {
		var loans []*loan
		var got, want [][]byte
		for i := range 12 {
			b := &loan{memory: &m, decompressor: d}
			text := bytes.Repeat(fmt.Appendf(nil, `{"round":%d,"of":%d}`, round, i), 1+i*i*200)
			out, err := b.Decompress(compressed(t, text), kgo.CodecLz4)
			if err != nil {
				t.Fatal(err)
			}
			for j, r := range b.GetRecords(1 + i*7) {
				if r.Value != nil || r.Context != nil || r.Offset != 0 {
					t.Fatalf("record %d is lent with something in it: %+v", j, r)
				}
			}
			b.records[0][0].Value = out
			b.PutRecords(b.records[0]) // nothing of the batch is wanted: still it is lent once
			loans, got, want = append(loans, b), append(got, out), append(want, text)
		}
		for i := range got {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("round %d: text %d changed while it was lent", round, i)
			}
		}
		for _, b := range loans {
			b.release()
			b.release()
		}
	}
}

func TestWhatIsNotCompressedIsNotTaken(t *testing.T) {
	var m memory
	b := &loan{memory: &m, decompressor: kgo.DefaultDecompressor(&m)}
	if _, err := b.Decompress([]byte("of the answer itself"), kgo.CodecNone); err != nil || len(b.bytes) > 0 {
		t.Errorf("%d buffers, %v", len(b.bytes), err)
	}
	if _, err := b.Decompress([]byte("garbage"), kgo.CodecLz4); err == nil || len(b.bytes) > 0 {
		t.Errorf("%d buffers of what cannot be read, %v", len(b.bytes), err)
	}
}

// Small batches must not hold the buffers of large ones, of which there would be many then.
func TestSmallBatchesGetSmallBuffers(t *testing.T) {
	var m memory
	for range 8 {
		m.PutDecompressBytes(make([]byte, 4<<20))
		m.putRecords(make([]kgo.Record, 10_000))
	}
	if b := m.GetDecompressBytes(make([]byte, 1000), kgo.CodecLz4); cap(b) > 64<<10 {
		t.Errorf("%d bytes for a batch of 1000", cap(b))
	}
	if rs := m.getRecords(10); cap(rs) > 16 || len(rs) != 10 {
		t.Errorf("%d records, room for %d", len(rs), cap(rs))
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 1 << 20, 1<<24 + 1} {
		if c := classFor(n); 1<<c < n || c > 0 && 1<<(c-1) >= n {
			t.Errorf("%d is of class %d", n, c)
		}
	}
	m.PutDecompressBytes(make([]byte, largestLent+1)) // too large to be kept: no panic
	if b := m.GetDecompressBytes(make([]byte, 3<<20), kgo.CodecLz4); cap(b) < 12<<20 {
		t.Errorf("%d bytes for a batch of 3 MiB", cap(b))
	}
}
