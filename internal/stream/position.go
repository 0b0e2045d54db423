package stream

import (
	"fmt"
	"time"
)

// Partition numbers the partitions of one stream from 0.
type Partition int32

// Offset is the place of an event in one partition. Offsets order events; they
// need not count them (a log may have gaps).
type Offset int64

// Range is a half-open run of offsets [Start, End) in one partition.
type Range struct {
	Partition Partition `json:"partition"`
	Start     Offset    `json:"start"`
	End       Offset    `json:"end"`
}

// Empty reports whether the range holds no offset.
func (r Range) Empty() bool { return r.End <= r.Start }

// String returns "partition:start-end".
func (r Range) String() string { return fmt.Sprintf("%d:%d-%d", r.Partition, r.Start, r.End) }

// Position is the next offset to read per partition, indexed by partition.
type Position []Offset

// Clone returns a copy that shares nothing with p.
func (p Position) Clone() Position { return append(Position(nil), p...) }

// Before reports whether p is behind q in at least one partition.
func (p Position) Before(q Position) bool {
	for i := range q {
		if i >= len(p) || p[i] < q[i] {
			return true
		}
	}
	return false
}

// Advance returns p moved past the ranges. Every range must start exactly at
// p; otherwise an error says where they do not meet, because a gap or overlap
// here would be a lost or doubled event.
func (p Position) Advance(ranges []Range) (Position, error) {
	next := p.Clone()
	for _, r := range ranges {
		if int(r.Partition) >= len(next) || r.Partition < 0 {
			return nil, fmt.Errorf("range %v: no such partition", r)
		}
		if next[r.Partition] != r.Start {
			return nil, fmt.Errorf("range %v does not start at position %d", r, next[r.Partition])
		}
		next[r.Partition] = r.End
	}
	return next, nil
}

// NextBoundary returns the first instant strictly after t that is offset plus a
// multiple of interval since the Unix epoch. Batches cut by time are cut at such
// instants, so their names line up with the clock as those of the STRM seeds do.
func NextBoundary(t time.Time, interval, offset time.Duration) time.Time {
	n := t.UnixNano() - int64(offset)
	i := int64(interval)
	return time.Unix(0, n-n%i+i+int64(offset)).UTC()
}
