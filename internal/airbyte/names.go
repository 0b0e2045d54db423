package airbyte

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"strm/internal/airbyte/paths"
	"strm/internal/objstore"
	"strm/internal/problem"
)

// namer gives out the keys of one stream, none of them twice. Safe for
// concurrent use.
type namer struct {
	template *paths.Template
	bucket   objstore.Bucket
	now      func() time.Time

	mu     sync.Mutex
	v      paths.Values
	suffix int
	listed bool // part numbers in use are known, or cannot be
	given  map[string]bool
}

func newNamer(t *paths.Template, b objstore.Bucket, now func() time.Time, v paths.Values) *namer {
	v.Now = now().Truncate(time.Millisecond).Add(-time.Millisecond)
	v.Part = -1
	v.UUID = uuid()
	return &namer{template: t, bucket: b, now: now, v: v, given: map[string]bool{}}
}

// next returns a key that was not given out before.
func (n *namer) next() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.another()
}

func (n *namer) another() string {
	for {
		n.v.Part++
		n.v.UUID = uuid()
		if now := n.now(); now.After(n.v.Now) {
			n.v.Now = now
		}
		if n.template.FileTime() && n.given[n.template.Key(n.v)] {
			n.v.Now = n.v.Now.Truncate(time.Millisecond).Add(time.Millisecond)
		}
		key := n.template.Key(n.v)
		if n.suffix > 0 {
			key = suffixed(key, n.v.Ext, n.suffix)
		}
		if !n.given[key] {
			n.given[key] = true
			return key
		}
		if !n.varies() {
			n.suffix++
		}
	}
}

// varies reports whether the template itself makes another key each time.
func (n *namer) varies() bool {
	return n.template.Has("part_number", "UUID") || n.template.FileTime()
}

// suffixed puts a number before the extension, where readers do not look for
// what a file is.
func suffixed(key, ext string, n int) string {
	base, ok := strings.CutSuffix(key, "."+ext)
	if !ok {
		return key + "-" + strconv.Itoa(n)
	}
	return base + "-" + strconv.Itoa(n) + "." + ext
}

// start moves on past the part numbers in use, before the first key: of an
// overwriting sync whose names have no time, so that no name comes twice.
func (n *namer) start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.template.FileTime() || n.template.Has("UUID", "EPOCH") {
		return nil
	}
	return n.list(ctx)
}

// taken returns another key after one that turned out to be taken by a foreign
// object. Part numbers go on after the largest in use where they can be listed;
// else they are tried one by one.
func (n *namer) taken(ctx context.Context) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.list(ctx); err != nil {
		return "", err
	}
	if !n.varies() {
		n.suffix++
	}
	return n.another(), nil
}

// list moves the part number past those in use. That listing is not permitted
// is no error: nothing needs it.
func (n *namer) list(ctx context.Context) error {
	lister, ok := n.bucket.(objstore.Lister)
	if n.listed || !ok || !n.template.Has("part_number") {
		return nil
	}
	n.listed = true
	probe := n.v
	probe.Part = 0
	key := n.template.Key(probe)
	prefix := n.template.Prefix(n.v)
	if !n.template.FileTime() && !n.template.Has("UUID") {
		if at := strings.Index(key, strconv.FormatInt(probe.Part, 10)+"."+n.v.Ext); at > len(prefix) {
			prefix = key[:at]
		}
	}
	all, err := patient(ctx, func() ([]objstore.Info, error) { return list(ctx, lister, prefix) })
	if err != nil {
		if objstore.AsError(err).Reason.NeedsPerson() {
			return nil
		}
		return fmt.Errorf("look for part numbers in use: %w", err)
	}
	for _, info := range all {
		if part, ok := n.template.Part(info.Key, n.v); ok {
			n.v.Part = max(n.v.Part, part)
		}
	}
	return nil
}

// prefix is what all keys of the stream begin with.
func (n *namer) prefix() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.template.Prefix(n.v)
}

// home returns the first key that the stream would have at one moment: streams
// that share it cannot be told apart by name.
func (n *namer) home() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := n.v
	v.Part, v.UUID, v.Now = 0, "", v.Sync
	return n.template.Key(v)
}

// check refuses a stream whose keys no store can hold.
func (n *namer) check() error {
	v := n.v
	v.Part = 1_000_000
	key := n.template.Key(v)
	if err := paths.CheckKey(key); err != nil {
		return err
	}
	if err := objstore.CheckKey(key); err != nil {
		return problem.New(problem.Invalid, "the key %.200q cannot be: %w", key, err)
	}
	return nil
}

// uuid returns a random (version 4) UUID.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|4<<4, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
