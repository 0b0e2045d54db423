package ingest

import (
	"fmt"
	"testing"
	"time"
)

// What is remembered of streams stays bounded, and a stream in use keeps its turn.
func TestIdleStreamsAreForgotten(t *testing.T) {
	rs := rooms{byID: map[string]*room{}}
	now := time.Unix(1_000_000, 0)
	busy := rs.of("busy", now)
	for i := range 5 * keepRooms {
		now = now.Add(10 * time.Second)
		rs.of(fmt.Sprint("stream-", i), now)
		if rs.of("busy", now) != busy {
			t.Fatal("a stream in use was forgotten")
		}
		if len(rs.byID) > keepRooms+1 {
			t.Fatalf("%d streams are remembered", len(rs.byID))
		}
	}
}
