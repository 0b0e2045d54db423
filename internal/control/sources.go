package control

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"strm/internal/problem"
	"strm/internal/stream"
)

// The bounds of a segment source's settings, and its default.
const (
	DefaultDedupWindow = 24 * time.Hour
	MinDedupWindow     = time.Minute
	MaxDedupWindow     = 30 * 24 * time.Hour
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
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return CreatedSource{}, err
	}
	defer unlock()
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
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Source{}, "", err
	}
	defer unlock()
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

func checkDedup(d time.Duration) error {
	if d != 0 && (d < MinDedupWindow || d > MaxDedupWindow) {
		return problem.New(problem.Invalid, "dedup window %v: give 0 for none, or %v to %v", d, MinDedupWindow, MaxDedupWindow)
	}
	if d%time.Second != 0 {
		return problem.New(problem.Invalid, "dedup window %v must be whole seconds", d)
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
