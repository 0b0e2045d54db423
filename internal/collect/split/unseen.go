package split

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"strm/internal/stream"
)

const (
	maxUnseen        = 256  // names counted one by one, of each kind and source
	maxUnseenName    = 100  // bytes of a name that are kept
	maxUnseenSources = 1024 // sources whose names are counted
)

// Unseen counts what catalogues of sources do not know, in bounded memory. The
// zero value is ready. It is safe for concurrent use.
type Unseen struct {
	mu sync.Mutex
	of map[string]*unseen
}

type unseen struct {
	flags, types map[string]int64
	more         bool
}

func (u *Unseen) add(source string, name []byte, trafficType bool, n int) {
	if len(name) > maxUnseenName {
		name = name[:maxUnseenName]
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.of[source]
	if s == nil {
		if u.of == nil {
			u.of = map[string]*unseen{}
		}
		if len(u.of) >= maxUnseenSources {
			return
		}
		s = &unseen{flags: map[string]int64{}, types: map[string]int64{}}
		u.of[source] = s
	}
	names := s.flags
	if trafficType {
		names = s.types
	}
	if _, known := names[string(name)]; !known && len(names) >= maxUnseen {
		s.more = true
		return
	}
	names[string(name)] += int64(n)
}

// Of returns what was counted of a source since the server started, without
// what its catalogue has learned since.
func (u *Unseen) Of(src *stream.Source) stream.Unknown {
	if src.Split == nil {
		return stream.Unknown{}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.of[src.Name]
	if s == nil {
		return stream.Unknown{}
	}
	return stream.Unknown{
		More: s.more,
		Flags: counted(s.flags, func(name string) bool {
			tt, _ := src.Split.TrafficType([]byte(name))
			return src.Split.TrafficTypes[tt] == ""
		}),
		TrafficTypes: counted(s.types, func(name string) bool { return src.Split.TrafficTypes[name] == "" }),
	}
}

// counted returns the names that still are unknown, most often first.
func counted(names map[string]int64, unknown func(string) bool) (out []stream.NameCount) {
	for name, n := range names {
		if unknown(name) {
			out = append(out, stream.NameCount{Name: strings.ToValidUTF8(name, ""), Count: n})
		}
	}
	slices.SortFunc(out, func(a, b stream.NameCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return out
}
