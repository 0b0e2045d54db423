package eventlogtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"strm/internal/eventlog"
	"strm/internal/stream"
)

// tb is what the helpers need of *testing.T and *rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

const id = "00000000000000a1" // the stream most tests use

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t tb, s Store) eventlog.Log {
	t.Helper()
	l, err := s.Open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

// openStream opens the log and creates the test's stream in it.
func openStream(t tb, s Store, partitions int) eventlog.Log {
	t.Helper()
	l := open(t, s)
	if err := l.Create(context.Background(), id, partitions); err != nil {
		t.Fatalf("create: %v", err)
	}
	return l
}

func closeLog(t tb, l eventlog.Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func reopen(t tb, s Store, l eventlog.Log) eventlog.Log {
	t.Helper()
	closeLog(t, l)
	return open(t, s)
}

// lines makes n distinct events whose name begins with tag.
func lines(tag string, n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"event":"%s-%d","page":"/products/%d","ok":true}`+"\n", tag, i, i*7919%1000)
	}
	return b.Bytes()
}

func entry(p stream.Partition, tag string, n int) eventlog.Entry {
	return eventlog.Entry{Partition: p, Events: n, Data: lines(tag, n), Received: noon}
}

func keyed(e eventlog.Entry, key string, digest uint64) eventlog.Entry {
	e.Key, e.Digest = key, digest
	return e
}

// appendEntry appends e and checks the form of the answer.
func appendEntry(t tb, l eventlog.Log, e eventlog.Entry) eventlog.Appended {
	t.Helper()
	a, err := l.Append(context.Background(), id, e)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if a.Events != e.Events || a.Range.Empty() {
		t.Fatalf("append of %d events answered %+v", e.Events, a)
	}
	return a
}

func bounds(t tb, l eventlog.Log) []eventlog.Bound {
	t.Helper()
	bs, err := l.Bounds(context.Background(), id)
	if err != nil {
		t.Fatalf("bounds: %v", err)
	}
	return bs
}

// whole is the range a partition holds now.
func whole(t tb, l eventlog.Log, p stream.Partition) stream.Range {
	t.Helper()
	b := bounds(t, l)[p]
	return stream.Range{Partition: p, Start: b.Floor, End: b.End}
}

// text is the events of a range as newline-delimited JSON; every block is
// checked on the way.
func text(t tb, l eventlog.Log, r stream.Range) []byte {
	t.Helper()
	out, err := tryText(l, r)
	if err != nil {
		t.Fatalf("read %v: %v", r, err)
	}
	return out
}

func tryText(l eventlog.Log, r stream.Range) ([]byte, error) {
	var out []byte
	at := r.Start
	for b, err := range l.Read(context.Background(), id, r) {
		if err != nil {
			return out, err
		}
		raw, err := checkBlock(b)
		if err != nil {
			return out, err
		}
		if b.Range.Start > at || b.Range.End <= at {
			return out, fmt.Errorf("block %v does not hold offset %d", b.Range, at)
		}
		from, to := max(r.Start, b.Range.Start), min(r.End, b.Range.End)
		if from != b.Range.Start || to != b.Range.End {
			var cut []byte
			for i, line := range bytes.SplitAfter(raw, []byte("\n"))[:b.Events] {
				if o := offsetOf(b, i); o >= from && o < to {
					cut = append(cut, line...)
				}
			}
			raw = cut
		}
		out = append(out, raw...)
		at = b.Range.End
	}
	if at < r.End {
		return out, fmt.Errorf("read of %v ended at %d", r, at)
	}
	return out, nil
}

// offsetOf returns the offset of event number i of a block.
func offsetOf(b stream.Block, i int) stream.Offset {
	if b.Offsets != nil {
		return b.Offsets[i]
	}
	return b.Range.Start + stream.Offset(i)
}

// checkOffsets holds the offsets of a block's events to its range.
func checkOffsets(b stream.Block) error {
	if b.Offsets == nil && b.Events != int64(b.Range.End-b.Range.Start) || b.Offsets != nil && int64(len(b.Offsets)) != b.Events {
		return fmt.Errorf("block %v has %d events and %d offsets", b.Range, b.Events, len(b.Offsets))
	}
	at := b.Range.Start
	for _, o := range b.Offsets {
		if o < at || o >= b.Range.End {
			return fmt.Errorf("block %v: offset %d is outside or out of order", b.Range, o)
		}
		at = o + 1
	}
	return nil
}

// checkBlock holds a block to its header and returns its events.
func checkBlock(b stream.Block) ([]byte, error) {
	raw := b.Lines
	if b.Gzip != nil {
		var err error
		if raw, err = gunzip(b.Gzip); err != nil {
			return nil, fmt.Errorf("block %v: %w", b.Range, err)
		}
	}
	if err := checkOffsets(b); err != nil {
		return nil, err
	}
	switch {
	case b.Estimated:
		return nil, fmt.Errorf("block %v was read, and its header is an estimate", b.Range)
	case (b.Gzip != nil) == (b.Lines != nil) && b.Events > 0:
		return nil, fmt.Errorf("block %v has both kinds of text, or none", b.Range)
	case b.Range.Empty():
		return nil, fmt.Errorf("block %v covers no offsets", b.Range)
	case int64(len(b.Gzip)) != b.Packed || b.Gzip != nil && crc32.ChecksumIEEE(b.Gzip) != b.CRC32 || b.Gzip == nil && b.CRC32 != 0:
		return nil, fmt.Errorf("block %v: size or checksum does not match its header", b.Range)
	case int64(len(raw)) != b.Raw || int64(bytes.Count(raw, []byte("\n"))) != b.Events:
		return nil, fmt.Errorf("block %v: %d bytes, header says %d bytes and %d events", b.Range, len(raw), b.Raw, b.Events)
	case b.Gzip != nil && len(raw) == 0 || len(raw) > 0 && raw[len(raw)-1] != '\n':
		return nil, fmt.Errorf("block %v does not end with a newline", b.Range)
	case b.LastAt.Before(b.FirstAt) || !b.FirstAt.Truncate(time.Hour).Equal(b.LastAt.Truncate(time.Hour)):
		return nil, fmt.Errorf("block %v received %v to %v: not within one hour", b.Range, b.FirstAt, b.LastAt)
	case !b.FirstAt.Equal(b.FirstAt.Truncate(time.Millisecond)) || !b.LastAt.Equal(b.LastAt.Truncate(time.Millisecond)):
		return nil, fmt.Errorf("block %v received %v to %v: not whole milliseconds", b.Range, b.FirstAt, b.LastAt)
	}
	return raw, nil
}

func gunzip(b []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(zr)
}

func index(t tb, l eventlog.Log, r stream.Range) []stream.BlockHeader {
	t.Helper()
	var hs []stream.BlockHeader
	for h, err := range l.Index(context.Background(), id, r) {
		if err != nil {
			t.Fatalf("index %v: %v", r, err)
		}
		hs = append(hs, h)
	}
	return hs
}

func wantText(t tb, l eventlog.Log, r stream.Range, want []byte) {
	t.Helper()
	if got := text(t, l, r); !bytes.Equal(got, want) {
		t.Fatalf("range %v holds %d bytes %.120q, want %d bytes %.120q", r, len(got), got, len(want), want)
	}
}
