package download

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"strm/internal/api/apiv1"
)

// Want says which objects to bring, and how to name them. Without Days, From
// and To it wants all.
type Want struct {
	Days []time.Time   // UTC days of receipt, by their beginnings
	From time.Time     // events received from here on; zero: from the first
	To   time.Time     // and before; zero: to the last
	Span time.Duration // of the receipt times in an object that says when they begin

	Sink  string // where a batch does not say
	Strip int    // so many directories of a name, behind the batch's prefix, are left out
}

// Files returns what a batch holds of what is wanted. An object whose layout
// does not divide by time counts as received when its batch was cut.
func (w Want) Files(b *apiv1.Batch) ([]File, error) {
	var out []File
	for i := range b.Objects {
		o := &b.Objects[i]
		if !o.Stored || o.Bytes == 0 || !w.wants(b, o) { // without bytes: it turned out to hold no event, and was never put
			continue
		}
		sum, err := base64.StdEncoding.DecodeString(o.CRC32)
		if err != nil || len(sum) != 4 {
			return nil, fmt.Errorf("batch %s: %q is no CRC-32", b.ID, o.CRC32)
		}
		f := File{Sink: b.Sink, Key: o.Key, Name: w.name(b.PathPrefix, o.Key), Bytes: o.Bytes, CRC32: binary.BigEndian.Uint32(sum)}
		if f.Sink == "" {
			f.Sink = w.Sink
		}
		out = append(out, f)
	}
	return out, nil
}

func (w Want) wants(b *apiv1.Batch, o *apiv1.Object) bool {
	first, last := b.CutAt, b.CutAt
	if o.Received != nil {
		first, last = *o.Received, o.Received.Add(w.Span-1)
	}
	if len(w.Days) > 0 && !slices.ContainsFunc(w.Days, first.UTC().Truncate(24*time.Hour).Equal) {
		return false
	}
	return (w.From.IsZero() || !last.Before(w.From)) && (w.To.IsZero() || first.Before(w.To))
}

// name returns a key's name below the directory. The prefix is the batch's own:
// that of the exporter or the sink may have changed since.
func (w Want) name(prefix, key string) string {
	name := key
	if prefix != "" {
		name = strings.TrimPrefix(key, prefix+"/")
	}
	for range w.Strip {
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			break
		}
		name = rest
	}
	return name
}
