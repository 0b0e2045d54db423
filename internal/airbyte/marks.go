package airbyte

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"strm/internal/airbyte/protocol"
)

// The marks on every object, as metadata. Only an object with all of them, and
// with our destination and stream in them, is ever deleted.
const (
	markGeneration  = "ab-generation-id"    // as upstream's
	markDestination = "strm-destination"    // config's ID
	markStream      = "strm-stream"         // hash of namespace and name
	markSync        = "strm-sync"           // the platform's number of the sync
	markObject      = "strm-object"         // different for every object ever
	markOwn         = "strm-own-generation" // milliseconds; where the platform has no generations
)

// generation is a place in the order of a stream's generations. Where the
// platform sends none they are numbered by ours, which are times.
type generation struct {
	number int64
	own    int64 // 0: the platform's
}

// marks are the marks of an object of a stream.
func (s *stream) marks(destination, object string) map[string]string {
	m := map[string]string{
		markGeneration:  strconv.FormatInt(s.gen.number, 10),
		markDestination: destination,
		markStream:      s.mark,
		markSync:        strconv.FormatInt(s.catalog.SyncID, 10),
		markObject:      object,
	}
	if s.gen.own > 0 {
		m[markOwn] = strconv.FormatInt(s.gen.own, 10)
	}
	return m
}

func streamMark(d protocol.Descriptor) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", d.Namespace, d.Name))
	return hex.EncodeToString(sum[:16])
}

// ours reads the marks of an object. It returns false for what another
// destination, another stream or another program wrote.
func (s *stream) ours(destination string, m map[string]string) (generation, bool) {
	if destination == "" || m[markDestination] != destination || m[markStream] != s.mark || m[markObject] == "" {
		return generation{}, false
	}
	n, err := strconv.ParseInt(m[markGeneration], 10, 64)
	if err != nil || n < 0 {
		return generation{}, false
	}
	g := generation{number: n}
	if own, ok := m[markOwn]; ok {
		if g.own, err = strconv.ParseInt(own, 10, 64); err != nil || g.own <= 0 {
			return generation{}, false
		}
	}
	return g, true
}

// age compares a generation with the one that a sync writes.
type age uint8

const (
	same age = iota
	older
	newer
)

func (g generation) against(written generation) age {
	switch {
	case g == written:
		return same
	case written.own > 0 && g.own > written.own:
		return newer
	case written.own > 0 || g.own > 0:
		// One platform that began, or ceased, to send generations: what was
		// written before is older.
		return older
	case g.number > written.number:
		return newer
	}
	return older
}
