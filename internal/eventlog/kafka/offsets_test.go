package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"strm/internal/stream"
)

// A stream that was deleted at another node is still bound here when the next one adopts
// its topic. Brokers refuse a request that names a partition twice, so it does not.
func TestOffsetsOfATopicOfTwo(t *testing.T) {
	s := newStore(t)
	s.make("theirs", 2, nil)
	s.line = &line{}
	l := s.node("second", s.ledger)
	var both []*topic
	for _, id := range []string{"deleted", "next"} {
		s.book.set(id, &stream.Topic{Name: "theirs", Adopted: true, Values: stream.ValuesJSON})
		st, err := l.stream(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, st)
		s.book.set(id, nil)
	}
	s.produce(nil, recordAt("theirs", 0, 1, noon), recordAt("theirs", 1, 2, noon))
	ends := l.offsets(t.Context(), both, atEnd)["theirs"]
	if len(ends) != 2 {
		t.Fatalf("%+v", ends)
	}
	for _, f := range ends {
		if f.err != nil || f.offset != 1 {
			t.Errorf("%+v", f)
		}
	}
	s.admin(func(c *kadm.Client) error { _, err := c.UpdatePartitions(t.Context(), 3, "theirs"); return err })
	l.compare(t.Context(), both)
	for _, st := range both {
		if l.bound(st.streamID) {
			t.Errorf("%s is still bound to two partitions of three", st.streamID)
		}
	}
}
