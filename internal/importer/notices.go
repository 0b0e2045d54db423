package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

// notices is what the runner remembers of the ways in which importers hear of files.
type notices struct {
	wg      sync.WaitGroup
	mu      sync.Mutex
	of      map[string]*hearing
	pollers map[string]*poller
}

// hearing is how one importer fares.
type hearing struct {
	troubles [ways]string // what keeps it from hearing
	told     string       // of them, that the ledger has
	failures int          // listings in a row
	listAt   time.Time    // when to try again; zero: by the last listing
	listedAt time.Time    // when the last whole listing of this process began
}

// The ways in which trouble may come. A topic has none that we could see.
const (
	byListing = iota
	byQueue
	ways
)

var wayTexts = [ways]string{"listing", "queue"}

// poller is one listener to a queue.
type poller struct {
	of   stream.Importer
	stop context.CancelFunc
}

func newNotices() notices {
	return notices{of: map[string]*hearing{}, pollers: map[string]*poller{}}
}

func (n *notices) wait() { n.wg.Wait() }

// keep forgets what is remembered of importers that are gone, or are another
// process's to care for.
func (n *notices) keep(importers []stream.Importer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.of {
		if !slices.ContainsFunc(importers, func(i stream.Importer) bool { return i.ID == id }) {
			delete(n.of, id)
		}
	}
}

// startNotices begins the listings that are due, and listens to the queues of the
// importers as they are now.
func (r *Runner) startNotices(ctx context.Context) (next time.Time, err error) {
	importers, err := r.ledger.Importers(ctx)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the batch importers: %w", err)
	}
	importers = slices.DeleteFunc(importers, func(i stream.Importer) bool { return !r.members.Owns(Duty(i.ID)) })
	now := time.Now()
	r.listen(ctx, importers)
	r.notices.keep(importers)
	for _, i := range importers {
		if i.Paused || i.ListEvery <= 0 {
			continue
		}
		at := r.nextListing(i)
		if at.After(now) {
			next = earlier(next, at)
			continue
		}
		r.listings.begin(i.ID, now, func() { r.listOnce(ctx, i) })
	}
	return next, nil
}

// hearing returns what is known of an importer. Trouble that an earlier process
// has noted is looked into at once.
func (r *Runner) hearing(i stream.Importer) *hearing {
	r.notices.mu.Lock()
	defer r.notices.mu.Unlock()
	h := r.notices.of[i.ID]
	if h == nil {
		h = &hearing{told: i.Problem}
		if i.Problem != "" {
			h.listAt = time.Now()
		}
		r.notices.of[i.ID] = h
	}
	return h
}

// nextListing says when the importer's files are to be listed.
func (r *Runner) nextListing(i stream.Importer) time.Time {
	h := r.hearing(i)
	r.notices.mu.Lock()
	defer r.notices.mu.Unlock()
	if !h.listAt.IsZero() {
		return h.listAt
	}
	last := i.ListedAt
	if h.listedAt.After(last) {
		last = h.listedAt // i may have been read before
	}
	if last.IsZero() {
		return time.Time{}
	}
	return last.Add(i.ListEvery)
}

// listOnce lists an importer's files and notes how it went.
func (r *Runner) listOnce(ctx context.Context, i stream.Importer) {
	found := 0
	began := time.Now()
	err := r.guard(func() (err error) {
		found, err = r.list(ctx, &i)
		return err
	})
	if ctx.Err() != nil {
		return
	}
	r.observe.Listed(i.Name, err == nil, found)
	if err == nil {
		err = r.ledger.SetListed(ctx, i.ID, time.Now().UTC())
	}
	r.notices.mu.Lock()
	h := r.notices.of[i.ID]
	switch {
	case h == nil: // deleted meanwhile, or another process's
	case err == nil:
		h.failures, h.listAt, h.listedAt = 0, time.Time{}, began
	default:
		h.failures++
		h.listAt = time.Now().Add(min(r.backoff.after(h.failures, err), i.ListEvery))
	}
	r.notices.mu.Unlock()
	if err != nil {
		r.logger.Warn("files of a bucket could not all be listed", slog.String("importer", i.Name), slog.Any("error", err))
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.trouble(ctx, i.ID, byListing, text)
}

// trouble notes what keeps an importer from hearing in one way, or that nothing does.
func (r *Runner) trouble(ctx context.Context, id string, way int, what string) {
	r.notices.mu.Lock()
	defer r.notices.mu.Unlock()
	h := r.notices.of[id]
	if h == nil || ctx.Err() != nil {
		return
	}
	h.troubles[way] = ""
	if what != "" {
		h.troubles[way] = wayTexts[way] + ": " + what
	}
	var all []string
	for _, t := range h.troubles {
		if t != "" {
			all = append(all, t)
		}
	}
	text := strings.Join(all, "; ")
	if text == h.told {
		return
	}
	// Under the lock, so that what is noted last is what holds.
	switch err := r.ledger.SetImporterProblem(ctx, id, text); {
	case err == nil:
		h.told = text
	case ctx.Err() == nil && problem.KindOf(err) != problem.NotFound:
		r.logger.Error("note what keeps a batch importer from noticing files", slog.Any("error", err))
	}
}

// listen begins to listen to queues that are new or were changed, and ends it where they are gone.
func (r *Runner) listen(ctx context.Context, importers []stream.Importer) {
	if r.poll == nil {
		return
	}
	want := map[string]stream.Importer{}
	for _, i := range importers {
		if i.QueueURL != "" && !i.Paused {
			want[i.ID] = i
			r.hearing(i)
		}
	}
	r.notices.mu.Lock()
	defer r.notices.mu.Unlock()
	for id, p := range r.notices.pollers {
		if i, ok := want[id]; ok && i.UpdatedAt.Equal(p.of.UpdatedAt) {
			delete(want, id)
			continue
		}
		p.stop()
		delete(r.notices.pollers, id)
	}
	for id, i := range want {
		pctx, stop := context.WithCancel(ctx)
		r.notices.pollers[id] = &poller{of: i, stop: stop}
		r.notices.wg.Go(func() {
			defer stop()
			r.pollOn(pctx, i)
		})
	}
}

// errPollEnded: a listener came back though nobody told it to.
var errPollEnded = errors.New("nobody listens to the queue")

// pollOn listens to one queue until ctx ends.
func (r *Runner) pollOn(ctx context.Context, i stream.Importer) {
	for n := 1; ; n++ {
		began := time.Now()
		err := r.guard(func() error {
			return r.poll(ctx, i, Hearer{
				Take:    func(ctx context.Context, n notice.Notice) error { return r.take(ctx, &i, n) },
				Problem: func(ctx context.Context, text string) { r.trouble(ctx, i.ID, byQueue, text) },
			})
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errPollEnded
		}
		r.trouble(ctx, i.ID, byQueue, err.Error())
		if time.Since(began) > r.backoff.Max {
			n = 1
		}
		wait := r.backoff.after(n, err)
		r.logger.Warn("listening to a queue ended", slog.String("importer", i.Name), slog.Any("error", err), slog.Duration("retry_in", wait.Round(time.Millisecond)))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// take records what a queue's message names. If the process dies before the
// message is deleted, it comes again and nothing is added.
func (r *Runner) take(ctx context.Context, i *stream.Importer, n notice.Notice) error {
	if n.Test != nil {
		return r.tested(ctx, i.ID, *n.Test)
	}
	sink, err := r.catalog.Sink(ctx, i.Sink)
	if err != nil {
		return err
	}
	var files []notice.File
	for _, f := range n.Files {
		if f.Bucket == sink.Bucket && i.Wants(f.Key) {
			files = append(files, f)
		}
	}
	added, err := r.ledger.Noticed(ctx, i.ID, "sqs", time.Now().UTC(), files)
	if added > 0 {
		r.kick(ofFiles)
	}
	return err
}

// tested notes that the bucket is configured to notify.
func (r *Runner) tested(ctx context.Context, id string, t notice.Test) error {
	if t.At.IsZero() {
		t.At = time.Now().UTC()
	}
	return r.ledger.SetTested(ctx, id, t.At, t.Bucket)
}
