package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"strm/internal/stream"
)

// place is where an event is in the log.
type place struct {
	stream    int
	partition stream.Partition
	offset    stream.Offset
}

// count holds the bucket and the ledger against what the witness saw.
type count struct {
	w       *world
	objects map[string][]int // key -> ids in the object, in order
	claimed map[string]string
	ids     map[place]int    // which event is where, as acknowledged or first met
	owner   map[int]*request // id -> its request
	placed  map[int]place    // id -> where, for what nobody acknowledged
}

func newCount(w *world) *count {
	c := &count{w: w, objects: map[string][]int{}, claimed: map[string]string{}, ids: map[place]int{}, owner: map[int]*request{}, placed: map[int]place{}}
	for _, q := range w.seen.requests {
		for i := range q.n {
			c.owner[q.first+i] = q
			if !q.acked {
				continue
			}
			at := place{q.stream, q.partition, q.at.Start + stream.Offset(i)}
			if other, taken := c.ids[at]; taken {
				w.t.Errorf("events %d and %d were both acknowledged at %+v", other, q.first+i, at)
			}
			c.ids[at] = q.first + i
		}
	}
	return c
}

func (c *count) everything() {
	c.readBucket()
	c.w.with(func(l *life) {
		for _, id := range c.w.seen.order {
			c.exporter(l, c.w.seen.exporters[id])
		}
		for id, r := range c.w.seen.replays {
			c.replay(l, id, r)
		}
	})
	for key := range c.objects {
		if c.claimed[key] == "" {
			c.w.t.Errorf("%s is in the bucket, and no batch knows of it", key)
		}
	}
}

func (c *count) readBucket() {
	for info, err := range c.w.bucket.List(context.Background(), "") {
		c.w.must(err)
		if strings.Contains(info.Key, ".strm_test_") {
			continue
		}
		r, _, err := c.w.bucket.Open(context.Background(), info.Key)
		c.w.must(err)
		raw, err := io.ReadAll(r)
		c.w.must(err)
		ids, err := idsOf(info.Key, raw)
		if err != nil {
			c.w.t.Errorf("%s: %v", info.Key, err)
		}
		c.objects[info.Key] = ids
	}
}

func idsOf(key string, raw []byte) ([]int, error) {
	switch {
	case strings.HasSuffix(key, ".gz"):
		zr, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		if raw, err = io.ReadAll(zr); err != nil {
			return nil, err
		}
	case strings.HasSuffix(key, ".zst"):
		zr, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer zr.Close()
		if raw, err = zr.DecodeAll(raw, nil); err != nil {
			return nil, err
		}
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		return nil, fmt.Errorf("the last line has no end")
	}
	var ids []int
	for line := range bytes.Lines(raw) {
		var e struct {
			ID *int `json:"id"`
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, err
		}
		if e.ID == nil {
			return nil, fmt.Errorf("line without an id: %s", line)
		}
		ids = append(ids, *e.ID)
	}
	return ids, nil
}

// exporter checks everything about one exporter, deleted or not.
func (c *count) exporter(l *life, k *known) {
	t, of := c.w.t, c.streamOf(k.StreamID)
	at := k.Start.Clone()
	delivered := map[int]int{}
	err := l.db.EachBatch(context.Background(), k.ID, func(b *stream.Batch) error {
		switch {
		case b.State == stream.BatchAbandoned && !k.deleted, b.State.Unfinished():
			t.Errorf("batch %s is %s at the end: %s", b.ID, b.State, b.Problem)
		}
		if b.Replay == "" {
			next, err := at.Advance(b.Ranges())
			if err != nil {
				t.Errorf("batch %s: %v", b.ID, err)
				return nil
			}
			at = next
		}
		for i := range b.Objects {
			c.object(b, &b.Objects[i], of, delivered)
		}
		return nil
	})
	c.w.must(err)
	for id, n := range delivered {
		if n > 1 {
			t.Errorf("exporter %s delivered event %d %d times", k.ID, id, n)
		}
	}
	for _, q := range c.w.seen.requests {
		if q.stream == of {
			c.request(k, q, delivered)
		}
	}
	if k.deleted {
		return
	}
	ends, err := l.log.Bounds(context.Background(), k.StreamID)
	c.w.must(err)
	for p, b := range ends {
		if at[p] != b.End {
			t.Errorf("exporter %s: partition %d is delivered up to %d of %d", k.ID, p, at[p], b.End)
		}
	}
	v, err := l.runner.Verify(context.Background(), k.ID)
	c.w.must(err)
	if !v.OK || v.Read != v.Objects {
		t.Errorf("audit of exporter %s: %+v", k.ID, v)
	}
}

func (c *count) streamOf(id string) int {
	return slices.IndexFunc(c.w.seen.streams, func(s stream.Stream) bool { return s.ID == id })
}

// object holds one object against its plan: the events of its ranges, in order.
func (c *count) object(b *stream.Batch, o *stream.Object, of int, delivered map[int]int) {
	t := c.w.t
	if other := c.claimed[o.Key]; other != "" {
		t.Errorf("%s belongs to batches %s and %s", o.Key, other, b.ID)
	}
	c.claimed[o.Key] = b.ID
	ids, there := c.objects[o.Key]
	if !there {
		if b.State == stream.BatchDone {
			t.Errorf("%s of batch %s, which is done, is not in the bucket", o.Key, b.ID)
		}
		return
	}
	if !o.MaybeStored {
		t.Errorf("%s of batch %s is in the bucket, and the ledger does not know that it may be", o.Key, b.ID)
	}
	i := 0
	for _, r := range o.Ranges {
		for off := r.Start; off < r.End; off++ {
			if i == len(ids) {
				t.Errorf("%s holds %d events, its ranges %v more", o.Key, len(ids), o.Ranges)
				return
			}
			c.met(o.Key, place{of, r.Partition, off}, ids[i])
			if b.Replay == "" {
				delivered[ids[i]]++
			}
			i++
		}
	}
	if i != len(ids) || int64(i) != o.Events {
		t.Errorf("%s holds %d events, its ranges %d, its plan says %d", o.Key, len(ids), i, o.Events)
	}
}

// met checks that an event found in an object is the one at its place.
func (c *count) met(key string, at place, id int) {
	t := c.w.t
	switch want, ok := c.ids[at]; {
	case ok && want != id:
		t.Errorf("%s: event %d stands where event %d is: %+v", key, id, want, at)
	case !ok:
		q := c.owner[id]
		if q == nil {
			t.Errorf("%s: nobody sent event %d", key, id)
			return
		}
		if was, ok := c.placed[id]; q.acked || ok && was != at {
			t.Errorf("%s: event %d is a second time in the log, at %+v", key, id, at)
		}
		c.ids[at], c.placed[id] = id, at
	}
}

// request checks that an exporter delivered what it owes of a request: all of it,
// if it was acknowledged at or after the exporter's start. What nobody
// acknowledged is in the log as a whole or not at all.
func (c *count) request(k *known, q *request, delivered map[int]int) {
	n := 0
	for i := range q.n {
		if delivered[q.first+i] > 0 {
			n++
		}
	}
	if k.deleted && n > 0 {
		return // it may have been deleted between two objects of a batch
	}
	start, want := k.Start[q.partition], q.n
	switch {
	case !q.acked && n == 0 || k.deleted:
		want = 0
	case q.acked && q.at.End <= start:
		want = 0
	case q.acked && q.at.Start < start && k.FromStart:
		// A large request is many blocks, and retention by size may have taken
		// the first of them before the exporter began with what was left.
		want = int(q.at.End - start)
	}
	if n != want {
		c.w.t.Errorf("exporter %s, which began at %d, delivered %d of %d events of request %d, acknowledged (%v) at %v",
			k.ID, start, n, q.n, q.first, q.acked, q.at)
	}
}

// replay checks a replay that was answered: done, complete, adjacent.
func (c *count) replay(l *life, id string, r *replayed) {
	t := c.w.t
	deleted := c.w.seen.exporters[r.exporter].deleted
	var events int64
	at := map[stream.Partition]stream.Offset{}
	for _, batch := range r.batches {
		b, err := l.db.Batch(context.Background(), batch)
		c.w.must(err)
		if b.Replay != id {
			t.Errorf("batch %s is of replay %q, not of %s", batch, b.Replay, id)
		}
		if b.State != stream.BatchDone && !deleted {
			t.Errorf("batch %s of a replay is %s at the end: %s", batch, b.State, b.Problem)
		}
		events += b.Events()
		for _, g := range b.Ranges() {
			if was, ok := at[g.Partition]; ok && was != g.Start {
				t.Errorf("replay %s: partition %d goes on at %d after %d", id, g.Partition, g.Start, was)
			}
			at[g.Partition] = g.End
		}
	}
	if events != r.events {
		t.Errorf("replay %s holds %d events, it was announced with %d", id, events, r.events)
	}
	for p, end := range r.ends {
		if got, ok := at[stream.Partition(p)]; r.all && ok && got < end {
			t.Errorf("replay %s ends at %d of partition %d, %d was acknowledged before", id, got, p, end)
		}
	}
}

func (c *count) summary() string {
	acked := 0
	for _, q := range c.w.seen.requests {
		if q.acked {
			acked++
		}
	}
	s := fmt.Sprintf("%v simulated, %d lives, %d crashes, %d streams, %d exporters, %d requests (%d acknowledged), %d events, %d objects",
		c.w.elapsed().Round(1e9), c.w.lives, c.w.crashes, len(c.w.seen.streams), len(c.w.seen.order), len(c.w.seen.requests), acked, c.w.seen.events, len(c.objects))
	var what []string
	for k, n := range c.w.seen.counts {
		what = append(what, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(what)
	return s + "; " + strings.Join(what, ", ")
}
