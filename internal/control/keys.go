package control

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// Sources finds the source of a write key, for every request of the intake.
//
// It keeps a snapshot of all sources and reads a new one after a change of them,
// or of an exporter that names one. So a known key costs one map access, an
// unknown key costs the same and never reaches the catalog, and memory is bounded
// by the sources that exist however many keys are tried.
//
// Where other nodes change the catalog, too, ConfigurationChanged says so, within about
// a second: that long a key may be taken that was deleted or replaced elsewhere, and a setting of
// before may hold. A key that the snapshot does not have is never refused by it alone: the catalog is
// asked whether it has changed, ten times a second at most, so a new source is known at once
// everywhere, and a flood of wrong keys costs ten small queries a second.
type Sources struct {
	catalog  Catalog
	shared   bool
	snapshot atomic.Pointer[snapshot]
	changes  atomic.Uint64 // counts invalidations
	loading  sync.Mutex    // one reader of the catalog at a time

	asking chan struct{} // one at a time asks for the revision; guards what follows
	asked  time.Time     // when that last began
	failed error         // how that ended
}

// snapshot is never written after it is published.
type snapshot struct {
	revision int64  // of the catalog, before it was read; 0 unless shared
	changes  uint64 // how many there were when reading began; stale once there are more
	byHash   map[string]keyed
	closed   map[string]string // of a stream's id: why events may not be sent to it, or by a segment source only
}

type keyed struct {
	source stream.Source
	stream stream.Stream
	split  stream.SplitStreams // of a source of kind split
}

func newSources(c Catalog, shared bool) *Sources {
	return &Sources{catalog: c, shared: shared, asking: make(chan struct{}, 1)}
}

// WriteKeys returns the lookup of write keys that this Control keeps current.
func (c *Control) WriteKeys() *Sources { return c.keys }

// Source returns the source whose write key has the hash (see KeyHash) and its
// stream. Errors: NotFound if there is none; those of the catalog. A
// change made through Control is seen by every call that begins after it.
func (s *Sources) Source(ctx context.Context, keyHash string) (stream.Source, stream.Stream, error) {
	k, err := s.of(ctx, keyHash)
	return k.source, k.stream, err
}

// SplitSource is Source for collectors of kind split: it returns all streams of
// such a source, and none of another kind.
func (s *Sources) SplitSource(ctx context.Context, keyHash string) (stream.Source, stream.SplitStreams, error) {
	k, err := s.of(ctx, keyHash)
	return k.source, k.split, err
}

func (s *Sources) of(ctx context.Context, keyHash string) (keyed, error) {
	snap, err := s.current(ctx)
	if err != nil {
		return keyed{}, err
	}
	k, ok := snap.byHash[keyHash]
	if !ok && s.shared {
		if snap, err = s.fresh(ctx); err != nil {
			return keyed{}, err
		}
		k, ok = snap.byHash[keyHash]
	}
	if !ok {
		return keyed{}, problem.New(problem.NotFound, "unknown write key")
	}
	return k, nil
}

// How often the catalog is asked at most whether it has changed, because somebody
// named a key that is not known, and how long that may take.
const (
	askEvery = 100 * time.Millisecond
	askTime  = 5 * time.Second
)

// fresh returns a snapshot that lacks nothing that was in the catalog when fresh was
// called. Calls that wait together share one question.
func (s *Sources) fresh(ctx context.Context) (*snapshot, error) {
	called := time.Now()
	select {
	case s.asking <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.asking }()
	if !s.asked.After(called) {
		t := time.NewTimer(time.Until(s.asked.Add(askEvery)))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		s.asked = time.Now()
		// The answer is for others, too, who may wait for longer than this one does.
		actx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
		s.failed = s.check(actx)
		cancel()
	}
	if s.failed != nil {
		return nil, s.failed
	}
	return s.current(ctx)
}

// check makes the snapshot stale if the catalog has changed since.
func (s *Sources) check(ctx context.Context) error {
	n, err := s.catalog.Revision(ctx)
	if err != nil {
		return err
	}
	if snap := s.snapshot.Load(); snap == nil || snap.revision != n {
		s.invalidate()
	}
	return nil
}

func (s *Sources) current(ctx context.Context) (*snapshot, error) {
	if snap := s.snapshot.Load(); snap != nil && snap.changes == s.changes.Load() {
		return snap, nil
	}
	return s.load(ctx)
}

// OpenStream returns a stream that events may be sent to without a source of
// its own: by whoever holds the admin token. Errors: NotFound; Conflict if a
// source has the stream to itself, as its events have a form that others lack,
// and as long as an exporter puts them where that source's files are.
func (c *Control) OpenStream(ctx context.Context, name string) (stream.Stream, error) {
	s, err := c.catalog.Stream(ctx, name)
	if err != nil {
		return stream.Stream{}, err
	}
	if c.keys.shared {
		if err := c.keys.check(ctx); err != nil {
			return stream.Stream{}, err
		}
	}
	snap, err := c.keys.current(ctx)
	if err != nil {
		return stream.Stream{}, err
	}
	if why := snap.closed[s.ID]; why != "" {
		return stream.Stream{}, problem.New(problem.Conflict, "stream %q %s", name, why)
	}
	return s, nil
}

// invalidate makes every call that begins from now on read the catalog anew,
// even while another reads what was there before.
func (s *Sources) invalidate() { s.changes.Add(1) }

// namesSource is called after a write to exporters, which may have happened even
// if it failed: those that name a source say who may send to their streams.
func (c *Control) namesSource(exporters ...stream.Exporter) {
	if slices.ContainsFunc(exporters, func(e stream.Exporter) bool { return e.Output.Source != "" }) {
		c.keys.invalidate()
	}
}

func (s *Sources) load(ctx context.Context) (*snapshot, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	before := s.changes.Load()
	if snap := s.snapshot.Load(); snap != nil && snap.changes == before {
		return snap, nil // another call has read it while this one waited
	}
	snap, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	snap.changes = before
	s.snapshot.Store(snap)
	return snap, nil
}

func (s *Sources) read(ctx context.Context) (*snapshot, error) {
	var revision int64
	if s.shared {
		var err error
		if revision, err = s.catalog.Revision(ctx); err != nil {
			return nil, err
		}
	}
	sources, err := s.catalog.Sources(ctx)
	if err != nil {
		return nil, err
	}
	streams, err := s.catalog.Streams(ctx)
	if err != nil {
		return nil, err
	}
	exporters, err := s.catalog.Exporters(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]stream.Stream, len(streams))
	snap := &snapshot{revision: revision, byHash: make(map[string]keyed, len(sources)), closed: map[string]string{}}
	for _, st := range streams {
		byID[st.ID] = st
		if why := ownValues(st); why != "" {
			snap.closed[st.ID] = why
		}
	}
	for _, e := range exporters { // before the sources: if theirs is there, it says more
		if id := e.Output.Source; id != "" {
			snap.closed[e.StreamID] = fmt.Sprintf("is delivered by batch exporter %q as source id %s, which is gone: create it again "+
				"(strm create source NAME --kind %s --stream %s --source-id %s), or delete the batch exporter", e.Name, id, stream.SourceSegment, e.Stream, id)
		}
	}
	for _, src := range sources {
		// A source whose stream went away between the two reads is no way in.
		st, ok := byID[src.StreamID]
		if !ok {
			continue
		}
		k := keyed{source: src, stream: st}
		if src.Split != nil {
			events, ok := byID[src.Split.EventsID]
			if !ok {
				continue
			}
			// Without a stream for them counts are dropped, also if it has just gone.
			k.split = stream.SplitStreams{Impressions: st, Events: events, Counts: byID[src.Split.CountsID]}
		}
		snap.byHash[src.KeyHash] = k
		if src.Kind == stream.SourceSegment {
			snap.closed[st.ID] = fmt.Sprintf("belongs to source %q of kind %s: send to it as its SDKs do, with the source's write key", src.Name, src.Kind)
		}
	}
	return snap, nil
}
