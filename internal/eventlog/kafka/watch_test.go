package kafka

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"pgregory.net/rapid"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Growth by other nodes and other producers is told while Run runs; what this log
// appends is told.
func TestGrowthByOthersIsTold(t *testing.T) {
	s := newStore(t)
	l := made(t, s, 2)
	ctx, stop := context.WithCancel(context.Background())
	told := make(chan eventlog.Advance, 1000)
	defer l.Subscribe(func(a eventlog.Advance) { told <- a })()
	l.poll(ctx, false) // knows where it begins
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	begin := time.Now().Truncate(time.Second)
	want := int64(0)
	for i := range 30 {
		s.produce(nil, recordAt("made", int32(i%2), i, noon), recordAt("made", 0, i, noon))
		if _, err := l.Append(ctx, testID, plainEntry(1, "{}\n{}\n{}\n")); err != nil {
			t.Fatal(err)
		}
		want += 5
	}
	events, raw := int64(0), int64(0)
	for events < want {
		a := <-told
		if a.StreamID != testID || a.Events < 1 || a.Raw < 1 || a.At.Before(a.First) || a.At != noon && a.First.Before(begin) {
			t.Fatalf("%+v", a)
		}
		events += a.Events
		raw += a.Raw
	}
	// What a look sees before its append is answered is told by both.
	if events > want+30*3 {
		t.Fatalf("told of %d events, %d were written, 90 of them by this log", events, want)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// However own appends and looks at the end follow each other, what others wrote is
// counted once and what was ours is not.
func TestGrowthCountsOthersOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g growth
		g.reach(0)
		var end, others, got int64
		var late []run // acknowledged after the end was seen beyond them
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			n := rapid.Int64Range(1, 5).Draw(t, "n")
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				others += n
				end += n
			case 1:
				g.own(end, end+n)
				end += n
			case 2:
				late = append(late, run{end, end + n})
				end += n
			case 3:
				for _, r := range late {
					g.own(r.start, r.end)
				}
				late = nil
				got += g.reach(end)
			}
		}
		for _, r := range late {
			g.own(r.start, r.end)
		}
		if got += g.reach(end); got != others {
			t.Fatalf("%d of others counted, there are %d", got, others)
		}
		if len(g.ahead) != 0 {
			t.Fatalf("%v is kept for nothing", g.ahead)
		}
	})
}

// A topic that is deleted under a stream at rest is told of, though nobody reads it; and so
// is one made anew in its place.
func TestLostTopicIsTold(t *testing.T) {
	for _, anew := range []bool{false, true} {
		s := newStore(t)
		s.make("theirs", 1, nil)
		l := openTopic(t, s, stream.Topic{Name: "theirs"})
		ctx, stop := context.WithCancel(t.Context())
		turned := make(chan struct{}, 1)
		cancel := l.Subscribe(func(a eventlog.Advance) {
			if a.Turned && a.StreamID == testID {
				turned <- struct{}{}
			}
		})
		s.produce(nil, recordAt("theirs", 0, 1, noon))
		l.poll(ctx, true) // is bound, and has seen the event
		s.admin(func(c *kadm.Client) error { _, err := c.DeleteTopic(ctx, "theirs"); return err })
		if anew {
			s.make("theirs", 1, nil)
		}
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()
		select {
		case <-turned:
		case <-time.After(time.Minute):
			t.Fatal("nobody was told")
		}
		want := "does not exist"
		if anew {
			want = "made anew"
		}
		if _, err := l.Bounds(ctx, testID); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), want) {
			t.Fatalf("%v", err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
