package embedded

import (
	"bytes"
	"context"
	"hash/crc32"
	"runtime"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	blockRaw   = 256 << 10 // most raw bytes in a block, unless one event alone is larger
	smallEntry = blockRaw  // entries below are merged with others that wait
	keepBuffer = 1 << 20   // larger buffers go back to the garbage collector
)

// draft is a block that has no offset yet. Its received times are wishes: the
// partition may move them forward when it assigns offsets.
type draft struct {
	start, end    int // of the gzip member in drafts.packed
	events        int
	raw           int
	crc32         uint32
	firstMs, last int64
	stamped       bool // holds events that say their received hour
}

// drafts is a run of blocks ready to be stored.
type drafts struct {
	packed bytes.Buffer
	blocks []draft
}

// packer compresses. It owns as many compressors as there are processors: each
// is most of a megabyte, so one per waiting request would be the log's largest
// use of memory, and more would not be faster.
type packer struct {
	writers chan *gzip.Writer
	free    sync.Pool // of *drafts
}

func newPacker() *packer {
	pk := &packer{writers: make(chan *gzip.Writer, runtime.GOMAXPROCS(0))}
	for range cap(pk.writers) {
		pk.writers <- nil // made when first used
	}
	return pk
}

// writer waits for a compressor.
func (pk *packer) writer(ctx context.Context) (*gzip.Writer, error) {
	var zw *gzip.Writer
	select {
	case zw = <-pk.writers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if zw != nil {
		return zw, nil
	}
	zw, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		pk.writers <- nil
	}
	return zw, err
}

func (pk *packer) drafts() *drafts {
	if d, ok := pk.free.Get().(*drafts); ok {
		return d
	}
	return new(drafts)
}

// release takes back what drafts gave. The caller must not use d again.
func (pk *packer) release(d *drafts) {
	if d == nil || d.packed.Cap() > keepBuffer {
		return
	}
	d.packed.Reset()
	d.blocks = d.blocks[:0]
	pk.free.Put(d)
}

// packEntry compresses one entry into as many blocks as it needs, cut at line
// ends. It runs outside every lock.
func (pk *packer) packEntry(ctx context.Context, data []byte, ms int64, stamped bool) (*drafts, error) {
	zw, err := pk.writer(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { pk.writers <- zw }()
	d := pk.drafts()
	for len(data) > 0 {
		n := cut(data)
		b := draft{events: bytes.Count(data[:n], newline), raw: n, firstMs: ms, last: ms, stamped: stamped}
		if err := d.member(zw, &b, data[:n]); err != nil {
			return nil, err
		}
		data = data[n:]
	}
	return d, nil
}

var newline = []byte{'\n'}

// cut returns how many leading bytes of data make one block: whole lines, at
// most blockRaw bytes, at least one line.
func cut(data []byte) int {
	if len(data) <= blockRaw {
		return len(data)
	}
	if i := bytes.LastIndexByte(data[:blockRaw], '\n'); i >= 0 {
		return i + 1
	}
	return blockRaw + bytes.IndexByte(data[blockRaw:], '\n') + 1
}

// packGroup compresses small entries together, in their order, for a partition
// that has reached the given time. A block ends before it would grow past
// blockRaw, and where the received hour changes.
func (pk *packer) packGroup(group []*waiter, reached int64) (*drafts, error) {
	zw, err := pk.writer(context.Background()) // never long: holders only compress
	if err != nil {
		return nil, err
	}
	defer func() { pk.writers <- zw }()
	d := pk.drafts()
	for len(group) > 0 {
		first := max(reached, group[0].ms)
		b := draft{firstMs: first, last: first}
		n := 0
		for ; n < len(group); n++ {
			w := group[n]
			ms := max(b.last, w.ms)
			if n > 0 && (b.raw+len(w.entry.Data) > blockRaw || hourOf(ms) != hourOf(b.firstMs)) {
				break
			}
			b.last = ms
			b.raw += len(w.entry.Data)
			b.events += w.entry.Events
			b.stamped = b.stamped || w.entry.Stamped
		}
		reached = b.last
		if err := d.member(zw, &b, entriesData(group[:n])...); err != nil {
			return nil, err
		}
		group = group[n:]
	}
	return d, nil
}

func entriesData(group []*waiter) [][]byte {
	out := make([][]byte, len(group))
	for i, w := range group {
		out[i] = w.entry.Data
	}
	return out
}

// member appends one gzip member holding the parts and the draft that describes
// it. The gzip header carries neither time nor name: equal events, equal bytes.
func (d *drafts) member(zw *gzip.Writer, b *draft, parts ...[]byte) error {
	b.start = d.packed.Len()
	zw.Reset(&d.packed)
	for _, p := range parts {
		if _, err := zw.Write(p); err != nil {
			return err
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	b.end = d.packed.Len()
	b.crc32 = crc32.ChecksumIEEE(d.packed.Bytes()[b.start:b.end])
	d.blocks = append(d.blocks, *b)
	return nil
}
