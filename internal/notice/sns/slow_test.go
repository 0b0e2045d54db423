package sns_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"strm/internal/notice/sns"
	"strm/internal/problem"
)

// hanging never answers; it counts who asks.
type hanging struct {
	mu    sync.Mutex
	asked int
}

func (h *hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	h.asked++
	h.mu.Unlock()
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// unsigned is a message that passes all checks that need no network.
func unsigned(n int) []byte {
	return fmt.Appendf(nil, `{"Type":"Notification","TopicArn":%q,"SignatureVersion":"2","Signature":"QUFB","SigningCertURL":"https://sns.us-east-1.amazonaws.com/SimpleNotificationService-%08d.pem"}`, topic, n)
}

func TestSlowCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &hanging{}
		v := sns.New(sns.Options{Transport: rt})
		began := time.Now()
		var all sync.WaitGroup
		// One waits for the answer itself, even if its own sender gives up; many wait for that one.
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := v.Verify(ctx, unsigned(1), topic); problem.KindOf(err) != problem.Unavailable || time.Since(began) != 5*time.Second {
				t.Error(err, time.Since(began))
			}
		})
		synctest.Wait()
		cancel()
		for range 10 {
			all.Go(func() {
				if _, err := v.Verify(t.Context(), unsigned(1), topic); problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "5s") || time.Since(began) != 5*time.Second {
					t.Error(err, time.Since(began))
				}
			})
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := v.Verify(ctx, unsigned(1), topic); problem.KindOf(err) != problem.Unavailable || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
				t.Error(err, time.Since(began))
			}
		})
		all.Wait()
		if rt.asked != 1 {
			t.Errorf("asked %d times", rt.asked)
		}
	})
}

func TestFetchesAtOnceAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := &hanging{}
		v := sns.New(sns.Options{Transport: rt})
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() { _, _ = v.Verify(t.Context(), unsigned(i), topic) })
		}
		synctest.Wait()
		began := time.Now()
		if _, err := v.Verify(t.Context(), unsigned(4), topic); problem.KindOf(err) != problem.Unavailable || time.Since(began) != 0 || rt.asked != 4 {
			t.Error(err, rt.asked)
		}
		all.Wait()
	})
}
