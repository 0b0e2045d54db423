package importer_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strm/internal/importer"
	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/stream"
)

// lister makes the world's importer one that lists, and hears nothing.
func (w *world) lister(change func(*stream.Importer)) {
	w.t.Helper()
	w.imp.ListEvery = time.Hour
	w.imp.UpdatedAt = time.Now()
	change(&w.imp)
	w.must(w.db.UpdateImporter(w.t.Context(), w.imp))
	if w.process != nil {
		w.process.runner.Wake()
	}
}

func (w *world) live() stream.Importer {
	w.t.Helper()
	i, err := w.db.Importer(w.t.Context(), w.imp.Name)
	w.must(err)
	return i
}

// A listing finds the files of which nobody told, and only those: in buckets with
// versions and without, and whatever was told of them in which words.
func TestListingRecoversLostNotices(t *testing.T) {
	for _, versioned := range []bool{true, false} {
		t.Run(fmt.Sprint("versions ", versioned), func(t *testing.T) {
			w := newWorld(t, versioned)
			put := func(key, row string) content {
				return content{file: w.store.put(key, fileOf(row)), rows: []string{row}}
			}
			told, lost, again := put("in/told.rows", "e1 told"), put("in/lost.rows", "e1 lost"), put("in/again.rows", "e1 again")
			put("in/other.txt", "e1 suffix")
			put("elsewhere/c.rows", "e1 prefix")
			w.store.put("in/folder.rows/", nil)
			w.notice(told.file)
			for _, f := range []*content{&lost, &again} {
				f.file.At = f.file.At.Truncate(time.Second) // as a listing has it
			}
			w.start(gates{})
			w.settled()
			stats := w.store.stats
			w.lister(func(i *stream.Importer) { i.FromStart = true })
			w.until("listed", func() bool { return !w.live().ListedAt.IsZero() })
			w.settled()
			// The notice of a file that a listing has found comes late.
			late := again.file
			late.At = late.At.Add(400 * time.Millisecond)
			w.notice(late)
			w.settled()
			w.stop()
			w.check(told, lost, again)
			if w.store.stats-stats != 2 {
				t.Errorf("%d files were asked for, want the 2 that were not known", w.store.stats-stats)
			}
			if w.seen.found != 2 || w.seen.listed[true] != 1 {
				t.Errorf("told of %d files found, listings %v", w.seen.found, w.seen.listed)
			}
			for _, i := range w.imports() {
				if want := map[bool]string{true: "v:", false: "e:"}[versioned]; !strings.HasPrefix(i.Version, want) {
					t.Errorf("%s has version %q", i.Key, i.Version)
				}
			}
		})
	}
}

// Files that were there before the importer are not its own, unless it says so.
func TestListingBeginsWithTheImporter(t *testing.T) {
	w := newWorld(t, true)
	w.store.clock = w.imp.CreatedAt.Truncate(time.Second).Add(-1235 * time.Millisecond)
	w.store.put("in/before.rows", fileOf("e1 before"))
	w.store.clock = w.imp.CreatedAt.Truncate(time.Second).Add(-1234 * time.Millisecond)
	f := content{file: w.store.put("in/since.rows", fileOf("e1 since")), rows: []string{"e1 since"}}
	w.lister(func(*stream.Importer) {})
	w.start(gates{})
	w.until("listed", func() bool { return !w.live().ListedAt.IsZero() })
	w.settled()
	w.stop()
	w.check(f)
}

// More files than the ledger is asked of at once.
func TestListingInPages(t *testing.T) {
	w := newWorld(t, true)
	const n = 2100
	for i := range n {
		w.store.put(fmt.Sprintf("in/%04d.rows", i), nil)
	}
	w.lister(func(i *stream.Importer) { i.FromStart = true })
	w.store.refuse = func(op, key string) error {
		if op == "get" {
			return &objstore.Error{Op: op, Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied}
		}
		return nil
	}
	w.start(gates{})
	w.until("listed", func() bool { return !w.live().ListedAt.IsZero() })
	w.stop()
	if w.seen.found != n || w.store.stats != n {
		t.Errorf("found %d of %d files, asked for %d", w.seen.found, n, w.store.stats)
	}
}

// A listing that is refused is the importer's problem, named and mended; notices go on without.
func TestListingRefused(t *testing.T) {
	for _, op := range []string{"list", "head"} {
		t.Run(op, func(t *testing.T) {
			w := newWorld(t, true)
			var mended atomic.Bool
			w.store.refuse = func(what, key string) error {
				if what == op && !mended.Load() {
					return &objstore.Error{Op: what, Key: key, Outcome: objstore.Rejected, Reason: objstore.Denied, Action: "s3:ListBucket on arn:aws:s3:::b"}
				}
				return nil
			}
			told := content{file: w.store.put("in/told.rows", fileOf("e1 told")), rows: []string{"e1 told"}}
			w.lister(func(i *stream.Importer) { i.FromStart = true })
			w.start(gates{})
			lost := content{file: w.store.put("in/lost.rows", fileOf("e1 lost")), rows: []string{"e1 lost"}}
			lost.file.At = lost.file.At.Truncate(time.Second)
			w.notice(told.file)
			w.settled()
			w.until("the refusal is told", func() bool {
				p := w.live().Problem
				return strings.HasPrefix(p, "listing: ") && strings.Contains(p, "missing permission s3:ListBucket on arn:aws:s3:::b")
			})
			if i := w.live(); !i.ListedAt.IsZero() {
				t.Errorf("a listing that failed counts: %+v", i)
			}
			w.stop()
			mended.Store(true)
			w.start(gates{}) // what another process noted is looked into at once
			w.until("mended", func() bool { i := w.live(); return i.Problem == "" && !i.ListedAt.IsZero() })
			w.settled()
			w.stop()
			w.check(told, lost)
		})
	}
}

// A queue is listened to while its importer has it; its notices are filtered and recorded.
func TestQueue(t *testing.T) {
	w := newWorld(t, true)
	f := content{file: w.store.put("in/a.rows", fileOf("e1 a")), rows: []string{"e1 a"}}
	other := w.store.put("other/b.rows", fileOf("e1 b"))
	foreign := f.file
	foreign.Bucket = "another"
	type life struct {
		queue string
		ctx   context.Context
		h     importer.Hearer
	}
	lives := make(chan life)
	ended := make(chan string)
	w.start(gates{poll: func(ctx context.Context, i stream.Importer, h importer.Hearer) error {
		lives <- life{i.QueueURL, ctx, h}
		<-ctx.Done()
		ended <- i.QueueURL
		return nil
	}})
	w.imp.QueueURL = "https://queue/1"
	w.lister(func(i *stream.Importer) { i.ListEvery = 0 })
	l := <-lives
	test := notice.Notice{Test: &notice.Test{Bucket: "b"}}
	w.must(l.h.Take(l.ctx, test))
	w.must(l.h.Take(l.ctx, notice.Notice{Files: []notice.File{f.file, other, foreign}}))
	w.must(l.h.Take(l.ctx, notice.Notice{Files: []notice.File{f.file}}))
	if i := w.live(); i.Subscription.TestBucket != "b" || i.Subscription.TestedAt.IsZero() {
		t.Errorf("a test event: %+v", i.Subscription)
	}
	w.settled()
	l.h.Problem(l.ctx, "missing permission sqs:ReceiveMessage")
	if p := w.live().Problem; p != "queue: missing permission sqs:ReceiveMessage" {
		t.Errorf("problem %q", p)
	}
	l.h.Problem(l.ctx, "")
	if p := w.live().Problem; p != "" {
		t.Errorf("problem %q after it is gone", p)
	}
	w.lister(func(i *stream.Importer) { i.QueueURL, i.ListEvery = "https://queue/2", 0 })
	if q := <-ended; q != "https://queue/1" {
		t.Errorf("%s has ended", q)
	}
	if l = <-lives; l.queue != "https://queue/2" {
		t.Errorf("%s is listened to", l.queue)
	}
	w.lister(func(i *stream.Importer) { i.Paused, i.ListEvery = true, 0 })
	<-ended
	w.stop()
	w.check(f)
}
