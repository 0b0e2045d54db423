package faulty_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"strm/internal/objstore"
	"strm/internal/objstore/faulty"
	"strm/internal/objstore/mem"
	"strm/internal/objstore/objstoretest"
)

func TestConformance(t *testing.T) {
	objstoretest.Run(t, objstoretest.Can{Verify: true, Metadata: true, AnyKey: true, LongSegment: true, Pages: 50},
		func(t *testing.T) objstore.Bucket {
			return faulty.Wrap(mem.New(func(key string) { t.Errorf("%s was rewritten", key) }), nil, nil)
		})
}

func TestFaults(t *testing.T) {
	tests := []struct {
		fault   faulty.Fault
		outcome objstore.Outcome
		reason  objstore.Reason
		stored  bool
	}{
		{faulty.Fault{Kind: faulty.RequestLost}, objstore.NotSent, objstore.Unreachable, false},
		{faulty.Fault{Kind: faulty.AnswerLost}, objstore.Ambiguous, objstore.Unknown, true},
		{faulty.Fault{Kind: faulty.NoAnswer}, objstore.Ambiguous, objstore.Unknown, false},
		{faulty.Fault{Kind: faulty.Refused, Reason: objstore.Contended}, objstore.Rejected, objstore.Contended, false},
		{faulty.Fault{Kind: faulty.Refused, Reason: objstore.Denied}, objstore.Rejected, objstore.Denied, false},
	}
	for _, tt := range tests {
		store := mem.New(nil)
		b := faulty.Wrap(store, func(op, key string, n int) faulty.Fault {
			if op == "put" && n == 0 {
				return tt.fault
			}
			return faulty.Fault{}
		}, nil)
		err := b.Create(t.Context(), "k", objstore.Bytes([]byte("x")))
		if e := objstoretest.Want(t, err, tt.outcome); e.Reason != tt.reason || !errors.Is(err, faulty.ErrInjected) {
			t.Errorf("%+v: %v", tt.fault, err)
		}
		_, _, err = store.Open(t.Context(), "k")
		if stored := err == nil; stored != tt.stored {
			t.Errorf("%+v: stored %v", tt.fault, stored)
		}
		err = b.Create(t.Context(), "k", objstore.Bytes([]byte("x")))
		if tt.stored {
			objstoretest.Want(t, err, objstore.Exists)
		} else if err != nil {
			t.Errorf("%+v: the second call: %v", tt.fault, err)
		}
		if n := b.Calls("put", "k"); n != 2 {
			t.Errorf("%d calls", n)
		}
	}
}

func TestStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := faulty.Wrap(mem.New(nil), func(string, string, int) faulty.Fault {
			return faulty.Fault{Kind: faulty.Stalled, Release: release}
		}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		go func() { errs <- b.Create(ctx, "k", objstore.Bytes(nil)) }()
		synctest.Wait()
		cancel()
		err := <-errs
		objstoretest.Want(t, err, objstore.Ambiguous)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		go func() { errs <- b.Create(t.Context(), "k", objstore.Bytes(nil)) }()
		synctest.Wait()
		close(release)
		if err := <-errs; err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}

func TestCrashPoints(t *testing.T) {
	for _, after := range []bool{false, true} {
		store := mem.New(nil)
		b := faulty.Wrap(store, nil, func(_, key string, now bool) {
			if now == after {
				panic("crash")
			}
		})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no crash")
				}
			}()
			_ = b.Create(t.Context(), "k", objstore.Bytes(nil)) // does not return
		}()
		_, _, err := store.Open(t.Context(), "k")
		if stored := err == nil; stored != after {
			t.Errorf("after %v: stored %v", after, stored)
		}
	}
}
