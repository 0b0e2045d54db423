package control

import (
	"context"
	"crypto/rand"
	"slices"
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
// marked (segment) or (split) are for those kinds alone.
type NewSource struct {
	Name     string
	Stream   string         // (segment, split): made if it is not there, by default one of the source's name
	Kind     string         // a stream.SourceKind; default events
	ID       string         // (segment) default made up
	WriteKey string         // (segment, split) default made up
	Dedup    *time.Duration // (segment) nil means DefaultDedupWindow; 0 for none
	Split    *SplitChange   // (split) needed: it has an environment id
}

// CreatedSource is a new source.
type CreatedSource struct {
	stream.Source
	WriteKey   string   // nobody can ask for it again: only its hash is kept
	MadeStream bool     // its stream was made for it
	Made       []string // the streams that were made for it
}

// CreateSource creates a source and returns it with its write key. Errors:
// Invalid, NotFound for the stream, Conflict for the name, the id, the key, or
// a stream that cannot take it: a segment source has its stream to itself.
//
// It is one write, but for streams that are made for it, which come before it.
// Stopped between the two, they are there, empty and without a source:
// creating the source again takes it. If the answer to the second is lost, the
// source exists with a key that nobody may hold: creating it again says
// Conflict, and a new key (UpdateSource), or deleting it, mends that.
func (c *Control) CreateSource(ctx context.Context, n NewSource) (CreatedSource, error) {
	src, key, err := describeSource(n)
	if err != nil {
		return CreatedSource{}, err
	}
	out := CreatedSource{WriteKey: key}
	if src.Kind != stream.SourceEvents {
		if out.Made, err = c.streamsFor(ctx, src); err != nil {
			return CreatedSource{}, err
		}
		out.MadeStream = slices.Contains(out.Made, src.Stream)
	}
	c.change.Lock()
	defer c.change.Unlock()
	if err := c.join(ctx, &src); err != nil {
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
			return fail(problem.New(problem.Invalid, "a source id, a write key of your own and a dedup window are for sources of kind %s (a write key for kind %s, too)", stream.SourceSegment, stream.SourceSplit))
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
	case stream.SourceSplit:
		if n.ID != "" || n.Dedup != nil {
			return fail(problem.New(problem.Invalid, "a source id and a dedup window are for sources of kind %s: a source of kind %s has an environment id, and what its SDKs send has no ids", stream.SourceSegment, src.Kind))
		}
		if src.Stream == "" {
			src.Stream = src.Name
		}
		if err := describeSplit(&src, n.Split); err != nil {
			return fail(err)
		}
	default:
		return fail(problem.New(problem.Invalid, "source kind %q is not known; use %s, %s or %s", n.Kind, stream.SourceEvents, stream.SourceSegment, stream.SourceSplit))
	}
	if src.Kind != stream.SourceSplit && n.Split != nil {
		return fail(problem.New(problem.Invalid, "an environment, further streams, a catalogue and flags are for sources of kind %s", stream.SourceSplit))
	}
	key := n.WriteKey
	if key == "" {
		key = newWriteKey()
	}
	src.KeyHash = KeyHash(key)
	return src, key, checkWriteKey(key)
}

// streamsOf returns the names of the streams that a source writes to.
func streamsOf(src stream.Source) []string {
	names := []string{src.Stream}
	if p := src.Split; p != nil {
		if names = append(names, p.Events); p.Counts != "" {
			names = append(names, p.Counts)
		}
	}
	return names
}

// streamsFor makes those streams of a source that are not there.
func (c *Control) streamsFor(ctx context.Context, src stream.Source) (made []string, err error) {
	var missing []string
	for _, name := range streamsOf(src) {
		s, err := c.catalog.Stream(ctx, name)
		switch {
		case isNotFound(err):
			s = stream.Stream{Name: name}
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
		// Looked at again once the streams are there; here so that none is made in vain.
		if err := c.mayJoin(ctx, src, s); err != nil {
			return nil, err
		}
	}
	off := false
	for _, name := range missing {
		_, err := c.CreateStream(ctx, NewStream{Name: name, Partitions: 1, StrmMeta: &off})
		switch {
		case problem.KindOf(err) == problem.Conflict: // somebody else was faster
		case err != nil:
			return made, err
		default:
			made = append(made, name)
		}
	}
	return made, nil
}

// join looks the streams of a source up, whether it may write to them, and notes
// their ids in it.
func (c *Control) join(ctx context.Context, src *stream.Source) error {
	ids := make([]string, 0, 3)
	for _, name := range streamsOf(*src) {
		s, err := c.catalog.Stream(ctx, name)
		if err != nil {
			return err
		}
		if err := c.mayJoin(ctx, *src, s); err != nil {
			return err
		}
		ids = append(ids, s.ID)
	}
	src.StreamID = ids[0]
	if src.Split != nil {
		src.Split.EventsID, src.Split.CountsID = ids[1], ""
		if len(ids) > 2 {
			src.Split.CountsID = ids[2]
		}
	}
	return nil
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
		case o.Name == src.Name && src.StreamID == "": // else it is the source itself, which changes
			return problem.New(problem.Conflict, "source %s already exists", o.Name)
		case o.Name == src.Name:
		case segment && o.ID == src.ID:
			return problem.New(problem.Conflict, "source %q has the source id %s already; each needs its own", o.Name, o.ID)
		case s.ID != "" && o.WritesTo(s.ID) && (segment || o.Kind == stream.SourceSegment):
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
	WriteKey  string         // take this write key; kind segment or split
	Split     *SplitChange   // kind split
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
	if ch.Split != nil {
		if err := c.applySplit(ctx, &src, ch.Split); err != nil {
			return stream.Source{}, "", err
		}
	}
	defer c.keys.invalidate() // a failed write may have happened
	if err := c.catalog.UpdateSource(ctx, src); err != nil {
		return stream.Source{}, "", err
	}
	return src, key, nil
}

func (ch SourceChange) apply(src *stream.Source) (key string, err error) {
	if src.Kind != stream.SourceSegment && (ch.Dedup != nil || src.Kind != stream.SourceSplit && ch.WriteKey != "") {
		return "", problem.New(problem.Invalid, "source %q is of kind %s: a dedup window is for kind %s, a write key of your own for that and for kind %s", src.Name, src.Kind, stream.SourceSegment, stream.SourceSplit)
	}
	if src.Kind != stream.SourceSplit && ch.Split != nil {
		return "", problem.New(problem.Invalid, "source %q is of kind %s: an environment, further streams, a catalogue and flags are for kind %s", src.Name, src.Kind, stream.SourceSplit)
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
