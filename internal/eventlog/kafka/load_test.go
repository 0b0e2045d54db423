package kafka

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"strm/internal/eventlog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Whoever breaks a load off, or closes the log, does not wait for brokers that do not answer.
func TestLoadIsBrokenOff(t *testing.T) {
	for name, closes := range map[string]bool{"cancelled": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			l := made(t, s, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			closed := make(chan error, 1)
			s.cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
				s.line.set(true) // what became of the request nobody can know
				go func() {
					if closes {
						closed <- l.Close()
					} else {
						cancel()
					}
				}()
				return nil, errors.New("lost"), true
			})
			err := l.Load(ctx, testID, 0, func(yield func(stream.Block, error) bool) {
				b := stream.Block{Lines: []byte(value(0) + "\n")}
				b.Range.End, b.Events, b.FirstAt, b.LastAt = 1, 1, noon, noon
				yield(b, nil)
			})
			if closes {
				if other := <-closed; other != nil || !errors.Is(err, eventlog.ErrClosed) {
					t.Fatalf("load: %v (%v), close: %v", err, problem.KindOf(err), other)
				}
			} else if !errors.Is(err, context.Canceled) {
				t.Fatalf("load: %v (%v)", err, problem.KindOf(err))
			}
		})
	}
}
