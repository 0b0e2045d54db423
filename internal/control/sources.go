package control

import (
	"context"
	"crypto/rand"
	"time"

	"strm/internal/layout"
	"strm/internal/problem"
	"strm/internal/stream"
)

// The bounds of a segment source's settings, and its default.
const (
	DefaultDedupWindow = 24 * time.Hour
	MinDedupWindow     = time.Minute
	MaxDedupWindow     = 30 * 24 * time.Hour
	MinWriteKey        = 8 // bytes, of a key that somebody brings
	MaxWriteKey        = 255
)

// NewSource says what source to create. Zero values mean the defaults. Fields
// marked (segment) are for that kind alone.
type NewSource struct {
	Name     string
	Stream   string         // (segment): made if it is not there, by default one of the source's name
	Kind     string         // a stream.SourceKind; default events
	ID       string         // (segment) default made up
	WriteKey string         // (segment) default made up
	Dedup    *time.Duration // (segment) nil means DefaultDedupWindow; 0 for none
}

// CreatedSource is a new source.
type CreatedSource struct {
	stream.Source
	WriteKey   string // nobody can ask for it again: only its hash is kept
	MadeStream bool   // its stream was made for it
}

// CreateSource creates a source and returns it with its write key. Errors:
// Invalid, NotFound for the stream, Conflict for the name, the id, the key, or
// a stream that cannot take it: a segment source has its stream to itself.
//
// It is one write, but for the stream of a segment source, which comes before it.
// Stopped between the two, that stream is there, empty and without a source:
// creating the source again takes it. If the answer to the second is lost, the
// source exists with a key that nobody may hold: creating it again says
// Conflict, and a new key (UpdateSource), or deleting it, mends that.
func (c *Control) CreateSource(ctx context.Context, n NewSource) (CreatedSource, error) {
	src, key, err := describeSource(n)
	if err != nil {
		return CreatedSource{}, err
	}
	out := CreatedSource{WriteKey: key}
	if src.Kind == stream.SourceSegment {
		if out.MadeStream, err = c.streamFor(ctx, src); err != nil {
			return CreatedSource{}, err
		}
	}
	c.change.Lock()
	defer c.change.Unlock()
	s, err := c.catalog.Stream(ctx, src.Stream)
	if err != nil {
		return CreatedSource{}, err
	}
	src.StreamID = s.ID
	if err := c.mayJoin(ctx, src, s); err != nil {
		return CreatedSource{}, err
	}
	defer c.keys.invalidate() // a failed write may have happened
	if err := c.catalog.CreateSource(ctx, src); err != nil {
		return CreatedSource{}, err
	}
	out.Source = src
	return out, nil
}

// describeSource decides what n is, without looking at what there is.
func describeSource(n NewSource) (stream.Source, string, error) {
	fail := func(err error) (stream.Source, string, error) { return stream.Source{}, "", err }
	src := stream.Source{Name: n.Name, Stream: n.Stream, Kind: stream.SourceKind(n.Kind), CreatedAt: now()}
	if err := stream.CheckName("source", n.Name); err != nil {
		return fail(err)
	}
	switch src.Kind {
	case "", stream.SourceEvents:
		src.Kind = stream.SourceEvents
		if n.ID != "" || n.WriteKey != "" || n.Dedup != nil {
			return fail(problem.New(problem.Invalid, "a source id, a write key of your own and a dedup window are for sources of kind %s", stream.SourceSegment))
		}
		if src.Stream == "" {
			return fail(problem.New(problem.Invalid, "a source needs a stream"))
		}
	case stream.SourceSegment:
		if src.Stream == "" {
			src.Stream = src.Name
		}
		if src.ID = n.ID; src.ID == "" {
			src.ID = newSourceID()
		}
		if err := stream.CheckSourceID(src.ID); err != nil {
			return fail(err)
		}
		if src.DedupWindow = DefaultDedupWindow; n.Dedup != nil {
			src.DedupWindow = *n.Dedup
		}
		if err := checkDedup(src.DedupWindow); err != nil {
			return fail(err)
		}
	default:
		return fail(problem.New(problem.Invalid, "source kind %q is not known; use %s or %s", n.Kind, stream.SourceEvents, stream.SourceSegment))
	}
	key := n.WriteKey
	if key == "" {
		key = newWriteKey()
	}
	src.KeyHash = KeyHash(key)
	return src, key, checkWriteKey(key)
}

// streamFor makes the stream of a segment source if it is not there.
func (c *Control) streamFor(ctx context.Context, src stream.Source) (made bool, err error) {
	if _, err := c.catalog.Stream(ctx, src.Stream); !isNotFound(err) {
		return false, err
	}
	// Looked at again once the stream is there; here so that none is made in vain.
	if err := c.mayJoin(ctx, src, stream.Stream{Name: src.Stream}); err != nil {
		return false, err
	}
	off := false
	_, err = c.CreateStream(ctx, NewStream{Name: src.Stream, Partitions: 1, StrmMeta: &off})
	if problem.KindOf(err) == problem.Conflict {
		return false, nil // somebody else was faster
	}
	return err == nil, err
}

// mayJoin refuses a source that its stream, or another source, leaves no room
// for. Stored blocks of a segment source become its files as they are, so its
// stream holds its lines and nothing else.
func (c *Control) mayJoin(ctx context.Context, src stream.Source, s stream.Stream) error {
	segment := src.Kind == stream.SourceSegment
	if segment && s.StrmMeta {
		return problem.New(problem.Conflict, "stream %q adds strmMeta to its events, which has no place in a raw log; turn that off first "+
			"(strm update stream %s --strm-meta=false), or choose another stream", s.Name, s.Name)
	}
	sources, err := c.catalog.Sources(ctx)
	if err != nil {
		return err
	}
	for _, o := range sources {
		switch {
		case o.Name == src.Name:
			return problem.New(problem.Conflict, "source %s already exists", o.Name)
		case segment && o.ID == src.ID:
			return problem.New(problem.Conflict, "source %q has the source id %s already; each needs its own", o.Name, o.ID)
		case o.StreamID == s.ID && s.ID != "" && (segment || o.Kind == stream.SourceSegment):
			return problem.New(problem.Conflict, "stream %q has the source %q (kind %s); a source of kind %s has its stream to itself", s.Name, o.Name, o.Kind, stream.SourceSegment)
		}
	}
	if s.ID == "" {
		return nil
	}
	exporters, err := c.catalog.ExportersOfStream(ctx, s.ID)
	if err != nil {
		return err
	}
	if segment {
		importers, err := c.catalog.ImportersOfStream(ctx, s.ID)
		if err != nil {
			return err
		}
		if len(importers) > 0 {
			return problem.New(problem.Conflict, "stream %q takes the events of the batch importer %q; a source of kind %s has its stream to itself", s.Name, importers[0].Name, stream.SourceSegment)
		}
	}
	goesOn := false // with the calls of a source that is gone
	for _, e := range exporters {
		switch id := e.Output.Source; {
		case id == "":
		case id != src.ID:
			return problem.New(problem.Conflict, "batch exporter %q delivers stream %q as source id %s; create a source of kind %s with that id, or give this one another stream", e.Name, s.Name, id, stream.SourceSegment)
		default:
			goesOn = true
		}
	}
	if !segment || goesOn {
		return nil
	}
	bounds, err := c.log.Bounds(ctx, s.ID)
	if err != nil {
		return err
	}
	for _, b := range bounds {
		if b.End > 0 {
			return problem.New(problem.Conflict, "stream %q has taken events that are none of this source's; give it a stream of its own (leave out --stream, or name a new one)", s.Name)
		}
	}
	return nil
}

// SourceChange says what to change; zero fields stay.
type SourceChange struct {
	Dedup     *time.Duration // kind segment; 0 for no de-duplication
	RotateKey bool           // make up another write key
	WriteKey  string         // take this write key; kind segment
}

// UpdateSource changes a source and returns it, with its new write key if it has
// one. The old key is refused from then on. Errors: Invalid, NotFound, Conflict
// for a key that another source has.
//
// It is one write. If the answer to a rotation is lost, the new key is lost with
// it if it was stored: rotating again mends that.
func (c *Control) UpdateSource(ctx context.Context, name string, ch SourceChange) (stream.Source, string, error) {
	c.change.Lock()
	defer c.change.Unlock()
	src, err := c.catalog.Source(ctx, name)
	if err != nil {
		return stream.Source{}, "", err
	}
	key, err := ch.apply(&src)
	if err != nil {
		return stream.Source{}, "", err
	}
	defer c.keys.invalidate() // a failed write may have happened
	if err := c.catalog.UpdateSource(ctx, src); err != nil {
		return stream.Source{}, "", err
	}
	return src, key, nil
}

func (ch SourceChange) apply(src *stream.Source) (key string, err error) {
	if src.Kind != stream.SourceSegment && (ch.Dedup != nil || ch.WriteKey != "") {
		return "", problem.New(problem.Invalid, "source %q is of kind %s: a dedup window and a write key of your own are for kind %s", src.Name, src.Kind, stream.SourceSegment)
	}
	if ch.RotateKey && ch.WriteKey != "" {
		return "", problem.New(problem.Invalid, "give a write key or have one made up, not both")
	}
	if ch.Dedup != nil {
		if err := checkDedup(*ch.Dedup); err != nil {
			return "", err
		}
		src.DedupWindow = *ch.Dedup
	}
	if key = ch.WriteKey; ch.RotateKey {
		key = newWriteKey()
	}
	if key == "" {
		return "", nil
	}
	if err := checkWriteKey(key); err != nil {
		return "", err
	}
	src.KeyHash = KeyHash(key)
	return key, nil
}

// Source returns a source.
func (c *Control) Source(ctx context.Context, name string) (stream.Source, error) {
	return c.catalog.Source(ctx, name)
}

// Sources returns all sources, by name.
func (c *Control) Sources(ctx context.Context) ([]stream.Source, error) {
	return c.catalog.Sources(ctx)
}

// DeleteSource deletes a source. Its write key is refused from now on; what it
// sent stays, and exporters that name its id go on delivering it. As long as
// there are some, nobody but a source of that id may send to the stream.
func (c *Control) DeleteSource(ctx context.Context, name string) error {
	defer c.keys.invalidate()
	return c.catalog.DeleteSource(ctx, name)
}

// segmentSource returns the segment source of a stream; ok is false if it has none.
func (c *Control) segmentSource(ctx context.Context, streamID string) (src stream.Source, ok bool, err error) {
	sources, err := c.catalog.Sources(ctx)
	if err != nil {
		return stream.Source{}, false, err
	}
	for _, s := range sources {
		if s.StreamID == streamID && s.Kind == stream.SourceSegment {
			return s, true, nil
		}
	}
	return stream.Source{}, false, nil
}

// sourceOf returns the source id for an output of a stream: none where the
// layout does not name it, else that of the stream's segment source, or was if
// that source was deleted.
func (c *Control) sourceOf(ctx context.Context, l layout.Layout, streamID, streamName, was string) (string, error) {
	if !l.NeedsSource() {
		return "", nil
	}
	src, ok, err := c.segmentSource(ctx, streamID)
	switch {
	case err != nil:
		return "", err
	case ok:
		return src.ID, nil
	case was != "":
		return was, nil
	}
	return "", problem.New(problem.Invalid, "the layout names the stream's segment source, and stream %q has none; create it first (strm create source NAME --kind segment --stream %s)", streamName, streamName)
}

func checkDedup(d time.Duration) error {
	if d != 0 && (d < MinDedupWindow || d > MaxDedupWindow) {
		return problem.New(problem.Invalid, "dedup window %v: give 0 for none, or %v to %v", d, MinDedupWindow, MaxDedupWindow)
	}
	if d%time.Second != 0 {
		return problem.New(problem.Invalid, "dedup window %v must be whole seconds", d)
	}
	return nil
}

// checkWriteKey refuses a key that could not be sent as a user name of Basic
// authentication, or be guessed at once. The key is in no error.
func checkWriteKey(key string) error {
	if len(key) < MinWriteKey || len(key) > MaxWriteKey {
		return problem.New(problem.Invalid, "the write key is %d bytes long; use %d to %d", len(key), MinWriteKey, MaxWriteKey)
	}
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' || c == ':' {
			return problem.New(problem.Invalid, "the write key holds %q; use visible ASCII characters other than ':'", c)
		}
	}
	return nil
}

// base62 are the characters of the ids that Segment gives its sources.
const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newSourceID returns 22 random base62 characters: 131 bits.
func newSourceID() string {
	id := make([]byte, 0, 22)
	var b [32]byte
	for len(id) < cap(id) {
		_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process rather than return an error
		for _, c := range b {
			// 248 is four times 62: what is above would favour the first characters.
			if c < 248 && len(id) < cap(id) {
				id = append(id, base62[c%62])
			}
		}
	}
	return string(id)
}
