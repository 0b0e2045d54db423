package exporter

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"strm/internal/stream"
)

// asked is a ledger of one batch, which another takes over before anything is saved. Nothing
// else of it is called.
type asked struct {
	Ledger
	t        *testing.T
	claims   *claims
	released int
}

func (a *asked) Claim(_ context.Context, exporterID string, seq int64, _ string) (stream.Batch, bool, error) {
	if a.claims.asking.TryLock() {
		a.t.Error("claimed while claims may be given back")
		a.claims.asking.Unlock()
	}
	return stream.Batch{ID: stream.BatchID(exporterID, seq), ExporterID: exporterID, Seq: seq, Sink: "s"}, true, nil
}

func (a *asked) Save(_ context.Context, b *stream.Batch) error {
	return &stream.ClaimLostError{Batch: b.ID}
}

func (a *asked) Release(context.Context, string, []string) error {
	if a.claims.asking.TryRLock() {
		a.t.Error("given back while somebody claims, and is not in the list yet")
		a.claims.asking.RUnlock()
	}
	a.released++
	return nil
}

// sinkless is a catalog that cannot read its sinks.
type sinkless struct{ Catalog }

var errNoSinks = errors.New("no sinks")

func (sinkless) Sink(context.Context, string) (stream.Sink, error) { return stream.Sink{}, errNoSinks }

// sharing is a runner beside others, with such a ledger and catalog.
func sharing(t *testing.T) (*Runner, *asked) {
	l := &asked{t: t}
	r := New(Options{Ledger: l, Catalog: sinkless{}, Members: alone{}, SpoolDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	l.claims = &r.claims
	return r, l
}

func TestALostClaimIsNotGivenBack(t *testing.T) {
	r, ledger := sharing(t)
	b := &stream.Batch{ID: stream.BatchID("e", 1), ExporterID: "e", Seq: 1, Sink: "s"}
	_, _, err := r.round(t.Context(), newLane(stream.Exporter{ID: "e"}, 1), b)
	if !lostClaim(err) || ledger.released != 0 {
		t.Errorf("%v; claims were given back %d times", err, ledger.released)
	}
	if !r.claims.reserve(b.ID) {
		t.Error("it still counts as worked on")
	}
}

// A list of what is worked on that is older than a claim must not end that claim.
func TestClaimsAreNotGivenBackWhileOthersAreMade(t *testing.T) {
	r, ledger := sharing(t)
	r.claims.mess()
	var all sync.WaitGroup
	all.Go(func() { r.release(t.Context()) })
	for seq := range int64(3) {
		b := &stream.Batch{ID: stream.BatchID("e", seq), ExporterID: "e", Seq: seq}
		all.Go(func() {
			if ok, err := r.claim(t.Context(), b); !ok || err != nil {
				t.Errorf("claim: %v, %v", ok, err)
			}
		})
	}
	all.Wait()
	if ledger.released != 1 {
		t.Errorf("given back %d times", ledger.released)
	}
}
