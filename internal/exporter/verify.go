package exporter

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"strm/internal/eventlog"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Difference is one thing that is not as the ledger says.
type Difference struct {
	Batch string
	Key   string
	What  string
}

// Verification is the result of an audit.
type Verification struct {
	OK          bool
	Batches     int64
	Objects     int64 // in the bucket: those that turned out to be empty are not
	Events      int64
	Bytes       int64
	Read        int64  // objects fetched from the bucket and compared
	NotRead     string // why objects were not fetched, empty if all were; one reason per sink
	Differences []Difference
}

// maxDifferences bounds an audit's report.
const maxDifferences = 1000

// readers is how many objects an audit reads at once.
const readers = 4

// Verify audits an exporter: the ranges of its batches tile its partitions
// from its start to its position without gap or overlap, the counts balance,
// and, where the credentials permit reading, every object in the bucket has the
// size, checksum and number of events that the ledger says. Objects in a bucket
// that their sink does not point to any more are not read. It changes nothing.
func (r *Runner) Verify(ctx context.Context, exporterID string) (Verification, error) {
	e, err := r.catalog.Exporter(ctx, exporterID)
	if err != nil {
		return Verification{}, err
	}
	_, gaps := r.log.(eventlog.Topics)
	a := audit{r: r, exporter: e, gaps: gaps, at: e.Start.Clone(), keys: map[string]string{}, closed: map[string]bool{},
		readable: map[string]bool{}, denied: map[string][]denial{}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	err = r.catalog.EachBatch(ctx, exporterID, func(b *stream.Batch) error {
		if b.State == stream.BatchAbandoned {
			return nil
		}
		a.batch(b)
		if b.State != stream.BatchDone {
			return gctx.Err()
		}
		for i := range b.Objects {
			if b.Objects[i].Empty() {
				continue // never put
			}
			batch, o := *b, b.Objects[i]
			g.Go(func() error { return a.object(gctx, &batch, &o) })
		}
		return gctx.Err()
	})
	if werr := g.Wait(); werr != nil {
		err = werr
	}
	if err != nil {
		return Verification{}, err
	}
	a.judgeDenials()
	// The position is read before the batches, so batches planned meanwhile may
	// lie beyond it; what lies before it must be covered.
	if a.at.Before(e.Next) {
		a.differ(Difference{What: fmt.Sprintf("the batches cover the stream up to %v, the exporter's position is %v", a.at, e.Next)})
	}
	a.v.OK = len(a.v.Differences) == 0
	return a.v, nil
}

type audit struct {
	r        *Runner
	exporter stream.Exporter
	gaps     bool              // the log's offsets do not count events, but are at least as many
	at       stream.Position   // where the next range must begin
	keys     map[string]string // the keys of one batch; across batches the ledger keeps them unique

	mu     sync.Mutex // guards what follows
	v      Verification
	closed map[string]bool // sinks that cannot be read at all, so asking again is of no use
	// Guarded by mu, by sink:
	readable map[string]bool // at least one object was read
	denied   map[string][]denial
}

// notRead is why an object was not fetched.
type notRead struct {
	reason string // empty: it was
	closed bool   // true of every object of the sink
	denied bool   // the store refused; see judgeDenials
}

// missing is said of an object that the store does not have.
const missing = "the object is not in the bucket"

func (a *audit) differ(d Difference) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.v.Differences) < maxDifferences {
		a.v.Differences = append(a.v.Differences, d)
	}
}

// batch checks a batch against the ones before it.
func (a *audit) batch(b *stream.Batch) {
	clear(a.keys)
	var planned int64
	for i := range b.Objects {
		o := &b.Objects[i]
		if a.keys[o.Key] != "" {
			a.differ(Difference{Batch: b.ID, Key: o.Key, What: "two objects of the batch share the key"})
		}
		a.keys[o.Key] = b.ID
		planned += o.Events
		var span int64
		for _, r := range o.Ranges {
			span += int64(r.End - r.Start)
		}
		if o.Events > span || o.Events < span && !a.gaps {
			a.differ(Difference{Batch: b.ID, Key: o.Key, What: fmt.Sprintf("its ranges hold %d events, its count says %d", span, o.Events)})
		}
		if b.State == stream.BatchDone && !o.Stored {
			a.differ(Difference{Batch: b.ID, Key: o.Key, What: "the batch is done, but this object was never stored"})
		}
	}
	if b.Replay == "" {
		for _, r := range b.Ranges() {
			if want := a.at[r.Partition]; r.Start != want {
				a.differ(Difference{Batch: b.ID, What: fmt.Sprintf("partition %d: the range begins at %d, the one before ends at %d", r.Partition, r.Start, want)})
			}
			a.at[r.Partition] = r.End
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.v.Batches++
	if b.State == stream.BatchDone {
		for i := range b.Objects {
			if !b.Objects[i].Empty() {
				a.v.Objects++
			}
		}
		a.v.Events += planned
		a.v.Bytes += b.Bytes()
	}
}

// object compares one stored object with its plan, if it may be read.
func (a *audit) object(ctx context.Context, b *stream.Batch, o *stream.Object) error {
	a.mu.Lock()
	skip := a.closed[b.Sink]
	a.mu.Unlock()
	if skip {
		return nil
	}
	what, not, err := a.compare(ctx, b, o)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.Key, err)
	}
	if what != "" {
		a.differ(Difference{Batch: b.ID, Key: o.Key, What: what})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case not.denied:
		a.denied[b.Sink] = append(a.denied[b.Sink], denial{b.ID, o.Key, not.reason})
		a.closed[b.Sink] = !a.readable[b.Sink] && len(a.denied[b.Sink]) >= enoughDenials
	case not.reason != "":
		a.closed[b.Sink] = a.closed[b.Sink] || not.closed
		a.leftOut(not.reason)
	case what != missing:
		a.readable[b.Sink] = true
		a.v.Read++
	}
	return nil
}

// leftOut says why objects were not compared, each reason once. The caller
// holds a.mu.
func (a *audit) leftOut(reason string) {
	switch {
	case a.v.NotRead == "":
		a.v.NotRead = reason
	case !strings.Contains(a.v.NotRead, reason):
		a.v.NotRead += "; " + reason
	}
}

// enoughDenials without a single object read tell that a sink cannot be read.
const enoughDenials = 20

// denial is an object that the store would not show.
type denial struct{ batch, key, reason string }

// judgeDenials decides what refusals meant, once all objects were tried. To
// credentials that may read objects, but not list the bucket, S3 answers "access
// denied" for an object that is not there.
func (a *audit) judgeDenials() {
	for sink, denials := range a.denied {
		for _, d := range denials {
			if a.readable[sink] {
				a.differ(Difference{Batch: d.batch, Key: d.key, What: "the store refuses to show the object, but shows others: it is missing, or access to it is denied"})
				continue
			}
			a.mu.Lock()
			a.leftOut(d.reason)
			a.mu.Unlock()
		}
	}
}

func (a *audit) compare(ctx context.Context, b *stream.Batch, o *stream.Object) (what string, not notRead, err error) {
	sink, err := a.r.sinks.get(ctx, b.Sink)
	if err != nil {
		if problem.KindOf(err) == problem.NotFound {
			return "", notRead{reason: "the sink " + b.Sink + " was deleted", closed: true}, nil
		}
		return "", notRead{}, err
	}
	if sink.Place() != b.Place {
		return "", notRead{reason: "sink " + b.Sink + " points to another bucket now; its older objects were not compared"}, nil
	}
	bucket, ok := sink.bucket.(objstore.Reader)
	if !ok {
		return "", notRead{reason: "the sink " + b.Sink + " cannot be read", closed: true}, nil
	}
	body, _, err := bucket.Open(ctx, o.Key)
	if err != nil {
		var e *objstore.Error
		switch {
		case errors.As(err, &e) && e.Reason == objstore.NoObject:
			return missing, notRead{}, nil
		case errors.As(err, &e) && e.Reason == objstore.Denied:
			return "", notRead{reason: "the credentials of sink " + b.Sink + " do not permit reading; contents were not compared (needs " + action(e) + ")", denied: true}, nil
		}
		return "", notRead{}, err
	}
	what, err = a.content(body, b, o)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return what, notRead{}, err
}

func action(e *objstore.Error) string {
	if e.Action != "" {
		return e.Action
	}
	return "permission to get objects"
}

// content reads the whole object once, for its size, checksum and count.
func (a *audit) content(body io.Reader, b *stream.Batch, o *stream.Object) (string, error) {
	f, err := a.r.format(b.Output.Format)
	if err != nil {
		return "", err
	}
	sum := crc32.NewIEEE()
	m := &meter{r: io.TeeReader(body, sum)}
	events, countErr := f.Count(m, b.Output)
	if _, err := io.Copy(io.Discard, m); err != nil { // what the decoder left unread
		return "", err
	}
	switch {
	case m.err != nil:
		return "", m.err
	case m.n != o.Bytes:
		return fmt.Sprintf("it is %d bytes long, the ledger says %d", m.n, o.Bytes), nil
	case sum.Sum32() != o.CRC32:
		return fmt.Sprintf("its CRC-32 is %08x, the ledger says %08x", sum.Sum32(), o.CRC32), nil
	case countErr != nil:
		return countErr.Error(), nil //nolint:nilerr // the damage is the audit's finding, not its failure
	case events != o.Events:
		return fmt.Sprintf("it holds %d events, the plan says %d", events, o.Events), nil
	}
	return "", nil
}

// meter counts bytes and keeps the reader's own failure apart from a decoder's.
type meter struct {
	r   io.Reader
	n   int64
	err error
}

// Read reads on and counts.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}
