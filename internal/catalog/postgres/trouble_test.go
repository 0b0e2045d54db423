//go:build integration

package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
	"strm/test/servers"
)

func mustOpen(t *testing.T, url string) *catalog.DB {
	t.Helper()
	db, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func put(ctx context.Context, db *catalog.DB) error {
	_, _, err := db.PutSink(ctx, stream.Sink{Name: "s", Type: stream.SinkS3, Bucket: "b"})
	return err
}

// The server is restarted under load, in every way: calls fail with kind
// Unavailable meanwhile, none that was answered is lost, and later ones work.
func TestRestarted(t *testing.T) {
	server := servers.Postgres(t)
	db := mustOpen(t, server.URL())
	ctx := t.Context()
	var answered, open int64
	for _, mode := range []servers.Mode{servers.Fast, servers.Immediate, servers.Kill} {
		var mu sync.Mutex
		var failed sync.Once
		down, stop := make(chan struct{}), make(chan struct{})
		var bad []error
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					err := put(ctx, db)
					_, read := db.Sinks(ctx)
					mu.Lock()
					switch {
					case err == nil:
						answered++
					case problem.KindOf(err) == problem.Unavailable:
						open++
					default:
						bad = append(bad, err)
					}
					if read != nil && problem.KindOf(read) != problem.Unavailable {
						bad = append(bad, read)
					}
					mu.Unlock()
					if err != nil {
						failed.Do(func() { close(down) })
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		server.Stop(mode)
		select {
		case <-down:
		case <-time.After(5 * time.Minute):
			t.Fatal("no call has failed")
		}
		if err := server.Start(ctx); err != nil {
			t.Fatal(err)
		}
		// It works again by itself, soon.
		for limit := time.Now().Add(2 * time.Minute); put(ctx, db) != nil; {
			if time.Now().After(limit) {
				t.Fatalf("still out: %v", put(ctx, db))
			}
		}
		mu.Lock()
		answered++
		mu.Unlock()
		close(stop)
		wg.Wait()
		if len(bad) > 0 {
			t.Fatalf("mode %d: %d errors of other kinds, the first: %v", mode, len(bad), bad[0])
		}
		s, err := db.Sink(ctx, "s")
		if err != nil {
			t.Fatal(err)
		}
		if s.Revision < answered || s.Revision > answered+open {
			t.Errorf("mode %d: %d changes are stored; %d were answered, of %d nobody knows", mode, s.Revision, answered, open)
		}
	}
}

// A commit whose answer is lost has kind Unavailable, whether it was made or not.
func TestLostCommit(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	direct := mustOpen(t, url)
	p, by := through(t, url)
	db := mustOpen(t, by)
	for revision, lose := range []fate{goOn, loseRequest, loseResponse} {
		p.when(commits(lose))
		err := put(t.Context(), db)
		p.when(nil)
		if lose == goOn {
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "commit") {
			t.Errorf("%v: kind %v, %v", lose, problem.KindOf(err), err)
		}
		s, err := direct.Sink(t.Context(), "s")
		if want := int64(max(1, revision)); err != nil || s.Revision != want {
			t.Errorf("%v: revision %d, %v; want %d", lose, s.Revision, err, want)
		}
	}
	if err := put(t.Context(), db); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Connections that were cut while nobody used them cost no writer anything.
func TestCutWhileIdle(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p, by := through(t, url)
	db := mustOpen(t, by)
	for range 3 {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if err := put(t.Context(), db); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		p.cut()
	}
}

func exclusive(t *testing.T, db *catalog.DB, name string, limit time.Duration) (func(), error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return db.Exclusive(ctx, name)
}

func TestExclusive(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	one, two := mustOpen(t, url), mustOpen(t, url)
	var inside, most int
	var mu sync.Mutex
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		inside += by
		most = max(most, inside)
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 10 {
				unlock, err := []*catalog.DB{one, two}[n%2].Exclusive(t.Context(), "a")
				if err != nil {
					t.Error(err)
					return
				}
				count(1)
				count(-1)
				unlock()
				unlock()
			}
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
	unlock, err := exclusive(t, one, "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exclusive(t, two, "a", 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while another holds it: %v", err)
	}
	other, err := exclusive(t, two, "b", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other()
	// Another catalog of the same database has locks of its own.
	url, err = at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	apart, err := exclusive(t, mustOpen(t, url), "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	apart()
	unlock()
	again, err := exclusive(t, two, "a", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

// A holder keeps its lock as long as it goes on, and not when it is cut off or
// stands still: then the server gives it to the next.
func TestExclusiveOfTheGone(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	next := mustOpen(t, url)
	for name, gone := range map[string]func(p *proxy){
		"cut off":      (*proxy).cut,
		"stands still": func(p *proxy) { close(p.frozen) },
	} {
		t.Run(name, func(t *testing.T) {
			p, by := through(t, url+"&idle_in_transaction_session_timeout=2500")
			db, err := open(t.Context(), by, Options{}, 100*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			unlock, err := exclusive(t, db, name, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := exclusive(t, next, name, 4*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("while another holds it: %v", err)
			}
			gone(p)
			now, err := exclusive(t, next, name, 2*time.Minute)
			if err != nil {
				t.Fatalf("after the holder has gone: %v", err)
			}
			now()
			p.cut()
			unlock()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A node that stands still in the middle of a transaction keeps its rows from
// others only for a while, and finds out when it goes on.
func TestStandsStillInATransaction(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	next := mustOpen(t, url)
	if err := put(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	p, by := through(t, url+"&idle_in_transaction_session_timeout=2500")
	db := mustOpen(t, by)
	hold := make(chan struct{})
	reached := make(chan struct{})
	var once sync.Once
	p.when(func(b []byte) fate {
		if commits(loseRequest)(b) == loseRequest {
			once.Do(func() { close(reached) })
			<-hold
		}
		return goOn
	})
	result := make(chan error, 1)
	go func() { result <- put(t.Context(), db) }()
	<-reached // it has changed the row, and its commit is under way
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := put(ctx, next); err != nil {
		t.Errorf("the other node: %v", err)
	}
	close(hold)
	if err := <-result; problem.KindOf(err) != problem.Unavailable {
		t.Errorf("who stood still: kind %v, %v", problem.KindOf(err), err)
	}
	s, err := next.Sink(t.Context(), "s")
	if err != nil || s.Revision != 2 {
		t.Errorf("revision %d, %v: want 2", s.Revision, err)
	}
}

// Texts for people are stored whatever bytes they hold.
func TestAnyProse(t *testing.T) {
	url, err := at(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	db := mustOpen(t, url)
	if err := put(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	h := stream.Health{Status: "failing", Reason: "a\x00b\xffc"}
	if err := db.SetSinkHealth(t.Context(), "s", 1, h); err != nil {
		t.Fatal(err)
	}
	s, err := db.Sink(t.Context(), "s")
	if want := "a\uFFFDb\uFFFDc"; err != nil || s.Health.Reason != want {
		t.Errorf("%q, %v", s.Health.Reason, err)
	}
	// A name is no prose: what cannot be stored is refused.
	_, err = db.Sink(t.Context(), "a\xff")
	if problem.KindOf(err) != problem.Invalid {
		t.Errorf("kind %v: %v", problem.KindOf(err), err)
	}
	if err := fmt.Sprint(err); !strings.Contains(err, "22021") {
		t.Error(err)
	}
}
