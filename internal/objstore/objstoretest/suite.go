// Package objstoretest is the conformance suite of the objstore port. Every
// store passes it; what a store cannot do is declared, not skipped in silence.
package objstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"

	"strm/internal/objstore"
)

// Can declares what a store does beyond the least.
type Can struct {
	Verify      bool // refuses bytes that do not match their CRC-32
	Metadata    bool // keeps Content.Metadata
	AnyKey      bool // holds both "a" and "a/b", and keys with empty parts
	Pages       int  // lists so many objects, to see more than one page; at least 3
	LongSegment bool // a part of a key between slashes may exceed 255 bytes
}

// Run runs the suite. open returns an empty bucket, and cleans up after t.
func Run(t *testing.T, can Can, open func(t *testing.T) objstore.Bucket) {
	s := suite{can: can, open: open}
	t.Run("create", s.create)
	t.Run("taken", s.taken)
	t.Run("race", s.race)
	t.Run("overwrite", s.overwrite)
	t.Run("keys", s.keys)
	t.Run("bad keys", s.badKeys)
	t.Run("damaged", s.damaged)
	t.Run("content fails", s.contentFails)
	t.Run("cancelled", s.cancelled)
	t.Run("encoding", s.encoding)
	t.Run("metadata", s.metadata)
	t.Run("missing", s.missing)
	t.Run("list", s.list)
	t.Run("stat", s.stat)
	t.Run("versions", s.versions)
	t.Run("delete", s.delete)
}

type suite struct {
	can  Can
	open func(t *testing.T) objstore.Bucket
}

// Get reads an object, or fails the test.
func Get(t *testing.T, b objstore.Bucket, key string) ([]byte, objstore.Info) {
	t.Helper()
	r, ok := b.(objstore.Reader)
	if !ok {
		t.Fatalf("%T is no objstore.Reader", b)
	}
	body, info, err := r.Open(t.Context(), key)
	if err != nil {
		t.Fatalf("open %q: %v", key, err)
	}
	data, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return data, info
}

// Want fails the test unless err is an *objstore.Error with this outcome.
func Want(t *testing.T, err error, outcome objstore.Outcome) *objstore.Error {
	t.Helper()
	var e *objstore.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *objstore.Error with outcome %v", err, err, outcome)
	}
	if e.Outcome != outcome {
		t.Fatalf("outcome %v (%v), want %v", e.Outcome, err, outcome)
	}
	return e
}

func mustCreate(t *testing.T, b objstore.Bucket, key string, data []byte) {
	t.Helper()
	if err := b.Create(t.Context(), key, objstore.Bytes(data)); err != nil {
		t.Fatalf("create %q: %v", key, err)
	}
}

func (s suite) create(t *testing.T) {
	b := s.open(t)
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		key, data := fmt.Sprintf("p/size-%d.jsonl", size), pattern(size)
		mustCreate(t, b, key, data)
		got, info := Get(t, b, key)
		if !bytes.Equal(got, data) {
			t.Errorf("size %d: read %d other bytes", size, len(got))
		}
		if info.Key != key || info.Size != int64(size) || info.Modified.IsZero() {
			t.Errorf("size %d: info %+v", size, info)
		}
	}
}

func pattern(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	return data
}

func (s suite) taken(t *testing.T) {
	b := s.open(t)
	mustCreate(t, b, "a.jsonl", []byte("first"))
	e := Want(t, b.Create(t.Context(), "a.jsonl", objstore.Bytes([]byte("second"))), objstore.Exists)
	if e.Op != "put" || e.Key != "a.jsonl" {
		t.Errorf("op %q key %q", e.Op, e.Key)
	}
	// Also for a body that a store may refuse before it has read it all.
	Want(t, b.Create(t.Context(), "a.jsonl", objstore.Bytes(pattern(4<<20))), objstore.Exists)
	if got, _ := Get(t, b, "a.jsonl"); string(got) != "first" {
		t.Errorf("the object became %q", got[:min(20, len(got))])
	}
}

// race lets many writers go for one key: one wins, the others hear that the key
// is taken, or at that moment being written, and the object is the winner's.
func (s suite) race(t *testing.T) {
	b := s.open(t)
	const writers = 8
	for round := range 5 {
		key := fmt.Sprintf("race-%d.jsonl", round)
		errs := make([]error, writers)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range writers {
			wg.Go(func() {
				<-start
				errs[i] = b.Create(t.Context(), key, objstore.Bytes(body(round, i)))
			})
		}
		close(start)
		wg.Wait()
		won := -1
		for i, err := range errs {
			if err == nil {
				if won >= 0 {
					t.Fatalf("round %d: writers %d and %d both stored %s", round, won, i, key)
				}
				won = i
				continue
			}
			if e := objstore.AsError(err); e.Outcome != objstore.Exists && e.Reason != objstore.Contended {
				t.Fatalf("round %d, writer %d: %v", round, i, err)
			}
		}
		if won < 0 {
			t.Fatalf("round %d: nobody won: %v", round, errs)
		}
		if got, _ := Get(t, b, key); !bytes.Equal(got, body(round, won)) {
			t.Fatalf("round %d: the object is not the winner's", round)
		}
	}
}

func body(round, writer int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "round %d writer %d\n", round, writer), 2000)
}

func (s suite) overwrite(t *testing.T) {
	b := s.open(t)
	c := objstore.Bytes([]byte("same"))
	c.Overwrite = true
	for range 2 {
		if err := b.Create(t.Context(), "o.jsonl", c); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := Get(t, b, "o.jsonl"); string(got) != "same" {
		t.Errorf("got %q", got)
	}
}

func (s suite) keys(t *testing.T) {
	b := s.open(t)
	long := strings.Repeat("0123456789/", 81) + "012345678/x.jsonl" // a prefix of 900 bytes and a name
	keys := []string{
		"with space.jsonl", "plus+plus.jsonl", "dt=2021-03-26/hour=09/x.jsonl", "2021-03-26T10:56:30.jsonl",
		".leading-dot.jsonl", "p/.strm_test_1.jsonl", "größe/日本語-🚀.jsonl", "per%cent%2F.jsonl", "a&b;c?d#e.jsonl",
		"quote'\"<x>.jsonl", `back\slash.jsonl`, "tilde~(paren)!*@,.jsonl", "---0-1-2.jsonl", long,
	}
	if s.can.LongSegment {
		keys = append(keys, strings.Repeat("p", 900)+"/x.jsonl")
	}
	if s.can.AnyKey {
		keys = append(keys, "n", "n/m", "double//slash.jsonl")
	}
	for _, key := range keys {
		mustCreate(t, b, key, []byte(key))
	}
	for _, key := range keys {
		got, _ := Get(t, b, key)
		if string(got) != key {
			t.Errorf("key %q holds %q", key, got)
		}
		Want(t, b.Create(t.Context(), key, objstore.Bytes([]byte("other"))), objstore.Exists)
	}
	var listed []string
	for info, err := range b.(objstore.Lister).List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, info.Key)
	}
	if len(listed) != len(keys) {
		t.Errorf("listed %d keys of %d: %q", len(listed), len(keys), listed)
	}
}

func (s suite) badKeys(t *testing.T) {
	b := s.open(t)
	for _, key := range []string{"", strings.Repeat("a/", 512) + "x", "bad\xffutf8", "nul\x00", "new\nline"} {
		e := Want(t, b.Create(t.Context(), key, objstore.Bytes(nil)), objstore.Rejected)
		if e.Reason != objstore.BadKey {
			t.Errorf("key %q: reason %q", key, e.Reason)
		}
	}
}

func (s suite) damaged(t *testing.T) {
	if !s.can.Verify {
		return // declared: the store takes what comes
	}
	b := s.open(t)
	c := objstore.Bytes([]byte("these bytes"))
	c.CRC32 = crc32.ChecksumIEEE([]byte("other bytes"))
	if e := Want(t, b.Create(t.Context(), "d.jsonl", c), objstore.Rejected); e.Reason != objstore.Damaged {
		t.Errorf("reason %q (%v)", e.Reason, e)
	}
	mustCreate(t, b, "d.jsonl", []byte("these bytes")) // nothing was stored
}

func (s suite) contentFails(t *testing.T) {
	b := s.open(t)
	c := objstore.Bytes([]byte("x"))
	lost := errors.New("the spool is gone")
	c.Open = func() (io.ReadSeekCloser, error) { return nil, lost }
	err := b.Create(t.Context(), "c.jsonl", c)
	Want(t, err, objstore.NotSent)
	if !errors.Is(err, lost) {
		t.Errorf("the cause is missing in %v", err)
	}
	mustCreate(t, b, "c.jsonl", []byte("x"))
}

func (s suite) cancelled(t *testing.T) {
	b := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := b.Create(ctx, "x.jsonl", objstore.Bytes([]byte("x")))
	Want(t, err, objstore.NotSent)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("no context.Canceled in %v", err)
	}
	mustCreate(t, b, "x.jsonl", []byte("x"))
	if _, _, err := b.(objstore.Reader).Open(ctx, "x.jsonl"); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	for _, err := range b.(objstore.Lister).List(ctx, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("list: %v", err)
		}
	}
}

// encoding: what was stored as gzip is read as gzip.
func (s suite) encoding(t *testing.T) {
	b := s.open(t)
	// A gzip member of "hello\n".
	gz := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6, 0, 0, 0}
	c := objstore.Bytes(gz)
	c.ContentType, c.Encoding = "text/plain", "gzip"
	if err := b.Create(t.Context(), "e.gz", c); err != nil {
		t.Fatal(err)
	}
	if got, info := Get(t, b, "e.gz"); !bytes.Equal(got, gz) || info.Size != int64(len(gz)) {
		t.Errorf("read %x (size %d), stored %x", got, info.Size, gz)
	}
}

func (s suite) metadata(t *testing.T) {
	if !s.can.Metadata {
		return // declared: the store has no place for it
	}
	b := s.open(t)
	c := objstore.Bytes([]byte("m"))
	c.Metadata = map[string]string{"strm-batch": "s3-demo.17", "strm-ranges": "0:0-99,1:5-7", "plain": "with space"}
	if err := b.Create(t.Context(), "m.jsonl", c); err != nil {
		t.Fatal(err)
	}
	if _, info := Get(t, b, "m.jsonl"); !maps.Equal(info.Metadata, c.Metadata) {
		t.Errorf("metadata %v, want %v", info.Metadata, c.Metadata)
	}
}

func (s suite) missing(t *testing.T) {
	b := s.open(t)
	_, _, err := b.(objstore.Reader).Open(t.Context(), "p/missing.jsonl")
	if e := objstore.AsError(err); err == nil || e.Reason != objstore.NoObject || e.Op != "get" {
		t.Errorf("got %v, want reason %s", err, objstore.NoObject)
	}
	for info, err := range b.(objstore.Lister).List(t.Context(), "p/") {
		t.Errorf("listed %v, %v", info, err)
	}
}
