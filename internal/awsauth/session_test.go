package awsauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// office hands out numbered credentials by a clock that the test sets.
type office struct {
	clock  time.Time
	length time.Duration
	fail   error
	asked  int
}

func (o *office) session() *Session {
	s := newSession(func(context.Context) (aws.Credentials, error) {
		o.asked++
		if o.fail != nil {
			return aws.Credentials{}, &AssumeError{Sent: true, Err: o.fail}
		}
		return aws.Credentials{
			AccessKeyID: fmt.Sprintf("ASIA%d", o.asked), SecretAccessKey: fmt.Sprintf("secret%d", o.asked), SessionToken: fmt.Sprintf("token%d", o.asked),
			CanExpire: o.length != 0, Expires: o.clock.Add(o.length),
		}, nil
	})
	s.Now = func() time.Time { return o.clock }
	return s
}

func TestSessionIsRenewedBeforeItEnds(t *testing.T) {
	for _, tt := range []struct {
		length, at time.Duration
		asked      int
	}{
		{time.Hour, 0, 1},
		{time.Hour, 54 * time.Minute, 1},
		{time.Hour, 55 * time.Minute, 2},
		{9 * time.Minute, 5 * time.Minute, 1}, // a third of a short life
		{9 * time.Minute, 6 * time.Minute, 2},
		{9 * time.Minute, time.Hour, 2},
		{0, 1000 * time.Hour, 1}, // ends never
	} {
		o := &office{clock: time.Unix(1_800_000_000, 0), length: tt.length}
		s := o.session()
		for _, step := range []time.Duration{0, tt.at} {
			o.clock = o.clock.Add(step)
			c, err := s.Retrieve(t.Context())
			if err != nil || c.AccessKeyID != fmt.Sprintf("ASIA%d", o.asked) {
				t.Fatalf("%v: %v, %v", tt, c.AccessKeyID, err)
			}
		}
		if o.asked != tt.asked {
			t.Errorf("%v: asked %d times", tt, o.asked)
		}
	}
}

// While the old credentials hold, a failed renewal costs nothing but itself,
// and is not repeated for every request.
func TestSessionOutlivesFailedRenewals(t *testing.T) {
	o := &office{clock: time.Unix(1_800_000_000, 0), length: time.Hour}
	s := o.session()
	get := func(want string, asked int) {
		t.Helper()
		c, err := s.Retrieve(t.Context())
		if c.AccessKeyID != want || (want == "") != (err != nil) || o.asked != asked {
			t.Fatalf("got %q, %v after %d questions; want %q after %d", c.AccessKeyID, err, o.asked, want, asked)
		}
		if err != nil && !errors.Is(err, o.fail) {
			t.Fatalf("got %v", err)
		}
	}
	get("ASIA1", 1)
	o.fail = errors.New("STS is away")
	o.clock = o.clock.Add(56 * time.Minute)
	get("ASIA1", 2)
	get("ASIA1", 2) // paused
	o.clock = o.clock.Add(refreshPause)
	get("ASIA1", 3)
	o.clock = o.clock.Add(4 * time.Minute) // ended
	get("", 4)
	get("", 5) // a caller that fails comes back at its own pace
	o.fail = nil
	get("ASIA6", 6)
}

func TestSessionRefusesWhatHasEnded(t *testing.T) {
	o := &office{clock: time.Unix(1_800_000_000, 0), length: -time.Second}
	if _, err := o.session().Retrieve(t.Context()); err == nil {
		t.Error("taken")
	}
}

func TestSessionDrop(t *testing.T) {
	o := &office{clock: time.Unix(1_800_000_000, 0), length: time.Hour}
	s := o.session()
	ask := func() {
		t.Helper()
		if _, err := s.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	began := o.clock.Add(-time.Second)
	ask()
	if !s.Drop(began, false) { // fetched after the call began: another one was refused
		t.Error("no second attempt with newer credentials")
	}
	ask()
	if o.asked != 1 {
		t.Errorf("credentials that nobody refused were dropped")
	}
	began = o.clock
	if s.Drop(began, true) { // denied, and as young as can be
		t.Error("a denial dropped young credentials")
	}
	o.clock = o.clock.Add(youngSession)
	if !s.Drop(began, true) {
		t.Error("a denial kept old credentials")
	}
	ask()
	if !s.Drop(o.clock, false) {
		t.Error("a bad token was kept")
	}
	ask()
	if o.asked != 3 {
		t.Errorf("asked %d times, want 3", o.asked)
	}
	hidden := fmt.Sprint(s.Secrets())
	if hidden != "[secret3 token3 secret2 token2]" {
		t.Errorf("hides %s", hidden)
	}
}

// Many that need credentials at once ask once.
func TestSessionIsFetchedOnce(t *testing.T) {
	var asked atomic.Int32
	all := make(chan struct{})
	s := newSession(func(context.Context) (aws.Credentials, error) {
		asked.Add(1)
		<-all
		return aws.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "x", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := s.Retrieve(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	close(all)
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
	<-s.lock // somebody else asks for ever
	s.Drop(time.Now(), false)
	_, err := s.Retrieve(ctx)
	s.lock <- struct{}{}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up got %v", err)
	}
}
