package retention_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/retention"
	"strm/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// place is a real log on a file system in memory, with a keeper and a catalog
// that says what the test wants.
type place struct {
	t      *testing.T
	log    *embedded.Log
	keeper *retention.Keeper
	free   atomic.Int64
	said   lockedBuffer
	rng    *rand.Rand
	sent   int

	mu      sync.Mutex
	streams []stream.Stream
	held    map[string]stream.Position
	fail    error // of the look at what is held of the stream named "broken"
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

const (
	saidRoom  = "were removed before their time"
	saidStuck = "nothing more may be removed"
)

func newPlace(t *testing.T, opts embedded.Options) *place {
	t.Helper()
	p := &place{t: t, held: map[string]stream.Position{}, rng: rand.New(rand.NewPCG(1, 2))}
	p.free.Store(1 << 40)
	opts.FS, opts.Logger = vfs.NewMem(), slog.New(slog.DiscardHandler)
	opts.FreeBytes = func(string) (int64, error) { return p.free.Load(), nil }
	var err error
	if p.log, err = embedded.Open("/log", opts); err != nil {
		t.Fatal(err)
	}
	p.keeper = &retention.Keeper{Log: p.log, Room: p.log, Catalog: p, Logger: slog.New(slog.NewTextHandler(&p.said, nil)), Trimming: make(trimLock, 1)}
	return p
}

func (p *place) close() {
	if err := p.log.Close(); err != nil {
		p.t.Error(err)
	}
}

// run begins the keeper's work; the function it returns ends it.
func (p *place) run() (end func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- p.keeper.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			p.t.Errorf("run: %v", err)
		}
	}
}

// trimLock is a lock that a test may look at.
type trimLock chan struct{}

func (l trimLock) Lock(ctx context.Context) (func(), error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Streams and Held implement retention.Catalog.
func (p *place) Streams(context.Context) ([]stream.Stream, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.streams), nil
}

func (p *place) Held(_ context.Context, id string) (stream.Position, bool, error) {
	select {
	case p.keeper.Trimming.(trimLock) <- struct{}{}:
		p.t.Error("asked what is held while an exporter may be made")
		<-p.keeper.Trimming.(trimLock)
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id == "broken" && p.fail != nil {
		return nil, false, p.fail
	}
	held, ok := p.held[id]
	return held.Clone(), ok, nil
}

// create makes a stream; its exporter, if it has one, has delivered nothing.
func (p *place) create(name string, partitions int, exported bool, r stream.Retention) {
	p.t.Helper()
	if err := p.log.Create(p.t.Context(), name, partitions); err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams = append(p.streams, stream.Stream{ID: name, Name: name, Partitions: partitions, Retention: r})
	if exported {
		p.held[name] = make(stream.Position, partitions)
	}
}

func (p *place) bounds(name string) []eventlog.Bound {
	p.t.Helper()
	bounds, err := p.log.Bounds(p.t.Context(), name)
	if err != nil {
		p.t.Fatal(err)
	}
	return bounds
}

// deliver makes everything up to now delivered, but for the newest event.
func (p *place) deliver(name string) {
	p.t.Helper()
	var to stream.Position
	for _, b := range p.bounds(name) {
		to = append(to, max(b.Floor, b.End-1))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held[name] = to
}

// send appends one event that compresses to about 300 bytes.
func (p *place) send(name string, n stream.Partition) error {
	noise := make([]byte, 250)
	for i := range noise {
		noise[i] = byte(p.rng.Uint32())
	}
	data := fmt.Appendf(nil, "{\"x\":%q}\n", hex.EncodeToString(noise))
	p.sent++
	at := time.Now().Add(time.Duration(p.sent) * time.Millisecond) // a bubble's clock stands still
	_, err := p.log.Append(p.t.Context(), name, eventlog.Entry{Partition: n, Events: 1, Data: data, Received: at})
	return err
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// fill sends until the log refuses.
func (p *place) fill(name string, partitions int) {
	p.t.Helper()
	for i := range 10_000 {
		err := p.send(name, stream.Partition(i%partitions))
		if errors.Is(err, eventlog.ErrFull) {
			return
		}
		p.must(err)
	}
	p.t.Fatal("the log is never full")
}

func (p *place) wantFloors(name string, moved bool) {
	p.t.Helper()
	for n, b := range p.bounds(name) {
		if moved != (b.Floor > 0) {
			p.t.Errorf("floor of %s/%d is %d of %d", name, n, b.Floor, b.End)
		}
	}
}

// sleep lets the bubble's clock run.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestFullLogGoesOnByItselfOnceEventsAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, embedded.Options{MinFree: -1, MaxBytes: 200_000})
		defer p.close()
		p.create("exported", 2, true, stream.Retention{MaxAge: 3 * time.Hour})
		p.create("kept", 1, false, stream.Retention{MaxAge: 3 * time.Hour})
		p.create("forever", 1, false, stream.Retention{})
		for _, name := range []string{"kept", "forever"} {
			for range 20 {
				p.must(p.send(name, 0))
			}
		}
		defer p.run()()
		p.fill("exported", 2)
		sleep(10 * time.Minute)
		p.wantFloors("exported", false)
		if err := p.send("exported", 0); !errors.Is(err, eventlog.ErrFull) {
			t.Errorf("nothing was delivered, and there is room: %v", err)
		}
		if p.said.count(saidStuck) != 1 || p.said.count(saidRoom) != 0 {
			t.Errorf("said\n%s", p.said.b.String())
		}

		p.deliver("exported")
		sleep(2 * time.Second)
		p.must(p.send("exported", 0))
		p.wantFloors("exported", true)
		if packed, most, _, _ := p.log.Pressure(); packed > most*91/100 || packed < most*85/100 {
			t.Errorf("%d packed bytes are kept of at most %d", packed, most)
		}
		if p.said.count(saidRoom) != 1 || p.said.count("max_packed=200000") != 2 {
			t.Errorf("said\n%s", p.said.b.String())
		}

		// While deliveries go on, intake does too, and the rest is never touched.
		refused := 0
		for range 3000 {
			err := p.send("exported", 0)
			if errors.Is(err, eventlog.ErrFull) {
				refused++
				p.deliver("exported")
				sleep(2 * time.Second)
				err = p.send("exported", 1)
			}
			p.must(err)
		}
		if refused < 10 {
			t.Errorf("the log was full %d times only", refused)
		}
		p.wantFloors("kept", false)
		p.wantFloors("forever", false)

		sleep(4 * time.Hour)
		p.wantFloors("kept", true) // its own age
		p.wantFloors("forever", false)
	})
}

func TestFullDiskGoesOnByItselfOnceEventsAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const reserve = 100_000
		p := newPlace(t, embedded.Options{MinFree: reserve})
		defer p.close()
		p.create("exported", 1, true, stream.Retention{})
		p.create("kept", 1, false, stream.Retention{})
		for range 400 {
			p.must(p.send("exported", 0))
			p.must(p.send("kept", 0))
		}
		defer p.run()()
		p.free.Store(reserve - 1)
		sleep(2 * time.Second)
		if err := p.send("exported", 0); !errors.Is(err, eventlog.ErrFull) {
			t.Fatalf("the disk is full: %v", err)
		}
		sleep(10 * time.Minute)
		p.wantFloors("exported", false)

		// The log gives the space back a while after the trim. Until then it
		// counts as coming and is not taken once more.
		p.deliver("exported")
		sleep(2 * time.Second)
		one := p.bounds("exported")[0]
		sleep(2 * time.Second)
		if two := p.bounds("exported")[0]; one.Floor == 0 || two != one {
			t.Errorf("trimmed to %+v, then to %+v", one, two)
		}
		packed, _, _, _ := p.log.Pressure()
		p.free.Store(reserve * 6 / 5)
		sleep(2 * time.Second)
		p.must(p.send("exported", 0))
		sleep(10 * time.Minute)
		if now, _, _, _ := p.log.Pressure(); now < packed {
			t.Errorf("with room again %d bytes went", packed-now)
		}
		p.wantFloors("kept", false)
		if p.said.count(saidRoom) != 1 || p.said.count("min_free=100000") != 2 {
			t.Errorf("said\n%s", p.said.b.String())
		}

		// What does not come back is asked for again.
		p.free.Store(reserve - 1)
		sleep(2 * time.Second)
		two := p.bounds("exported")[0]
		sleep(8 * time.Second)
		if three := p.bounds("exported")[0]; three.Floor <= two.Floor || three.Floor > 400 {
			t.Errorf("trimmed to %+v, then to %+v", two, three)
		}
	})
}

func TestFullStreamGoesOnWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, embedded.Options{MinFree: -1})
		defer p.close()
		p.create("a", 4, true, stream.Retention{MaxBytes: 50_000})
		// Nearly all goes into one partition, and may.
		for range 3 {
			p.must(p.send("a", 2))
		}
		total := func() (n int64) {
			for _, b := range p.bounds("a") {
				n += b.Packed
			}
			return n
		}
		for total() < 50_000 {
			p.must(p.send("a", 0))
		}
		defer p.run()()
		sleep(time.Minute)
		p.deliver("a")
		sleep(2 * time.Second)
		if n := total(); n > 45_000 || n < 44_000 {
			t.Errorf("%d packed bytes are kept, want nearly 45000", n)
		}
	})
}

// Another node's duty is left to it, and taken up seconds after it has become ours.
func TestOnlyTheNodeWhoseDutyItIsTrims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, embedded.Options{MinFree: -1})
		defer p.close()
		var ours atomic.Bool
		p.keeper.Owns = ours.Load
		p.create("a", 1, true, stream.Retention{MaxBytes: 20_000})
		for p.bounds("a")[0].Packed < 30_000 {
			p.must(p.send("a", 0))
		}
		p.deliver("a")
		defer p.run()()
		sleep(time.Hour)
		if floor := p.bounds("a")[0].Floor; floor != 0 {
			t.Errorf("trimmed up to %d", floor)
		}
		ours.Store(true)
		sleep(3 * time.Second)
		if floor := p.bounds("a")[0].Floor; floor == 0 {
			t.Error("not trimmed")
		}
	})
}

// broken fails where the test wants.
type broken struct {
	*embedded.Log
	bounds, index, trim string
}

var errBroken = errors.New("broken")

func (b broken) Bounds(ctx context.Context, id string) ([]eventlog.Bound, error) {
	if id == b.bounds {
		return nil, fmt.Errorf("bounds: %w", errBroken)
	}
	return b.Log.Bounds(ctx, id)
}

func (b broken) Index(ctx context.Context, id string, r stream.Range) iter.Seq2[stream.BlockHeader, error] {
	if id == b.index {
		return func(yield func(stream.BlockHeader, error) bool) {
			yield(stream.BlockHeader{}, fmt.Errorf("index: %w", errBroken))
		}
	}
	return b.Log.Index(ctx, id, r)
}

func (b broken) Trim(ctx context.Context, id string, n stream.Partition, before stream.Offset) error {
	if id == b.trim {
		return fmt.Errorf("trim: %w", errBroken)
	}
	return b.Log.Trim(ctx, id, n, before)
}

func TestOneDamagedStreamDoesNotKeepTheOthersFromRetention(t *testing.T) {
	p := newPlace(t, embedded.Options{MinFree: -1})
	defer p.close()
	age := stream.Retention{MaxAge: time.Hour}
	names := []string{"broken", "bounds", "index", "trim", "gone", "good"}
	for _, name := range names {
		p.create(name, 1, name == "broken", age)
		p.must(p.send(name, 0))
	}
	p.must(p.log.Drop(t.Context(), "gone")) // deleted meanwhile: no error
	p.fail = fmt.Errorf("held: %w", errBroken)
	p.keeper.Log = broken{p.log, "bounds", "index", "trim"}
	err := p.keeper.Once(t.Context(), time.Now().Add(2*time.Hour))
	want := []string{"stream broken: held: broken", "stream bounds: bounds: broken", "stream index: index: broken", "stream trim: trim: broken"}
	if err == nil || !errors.Is(err, errBroken) || err.Error() != strings.Join(want, "\n") {
		t.Errorf("got\n%v\nwant\n%s", err, strings.Join(want, "\n"))
	}
	for _, name := range names {
		if name != "gone" {
			p.wantFloors(name, name == "good")
		}
	}
}

// An error that stays is logged once a minute, however often retention looks.
func TestErrorsThatStayAreLoggedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t, embedded.Options{MinFree: -1})
		defer p.close()
		p.create("broken", 1, true, stream.Retention{MaxAge: time.Hour})
		p.fail = errBroken
		defer p.run()()
		sleep(10*time.Minute + time.Second)
		if n := p.said.count("stream broken: broken"); n < 9 || n > 11 {
			t.Errorf("said %d times in ten minutes", n)
		}
	})
}

// Whatever the order of appends, deliveries and looks, what is held is there.
func TestHeldEventsNeverGo(t *testing.T) {
	p := newPlace(t, embedded.Options{MinFree: -1, MaxBytes: 60_000})
	defer p.close()
	names := []string{"a", "b", "c"}
	p.create("a", 2, true, stream.Retention{MaxBytes: 20_000})
	p.create("b", 1, true, stream.Retention{MaxAge: time.Minute})
	p.create("c", 3, true, stream.Retention{})
	now := time.Now()
	floors := map[string]int{}
	for range 3000 {
		name := names[p.rng.IntN(3)]
		switch p.rng.IntN(8) {
		case 0:
			now = now.Add(time.Duration(p.rng.IntN(90)) * time.Second)
			p.must(p.keeper.Once(t.Context(), now))
		case 1:
			p.mu.Lock()
			held := p.held[name]
			for n, b := range p.bounds(name) {
				held[n] += stream.Offset(p.rng.Int64N(int64(b.End-held[n]) + 1))
			}
			p.mu.Unlock()
		default:
			if err := p.send(name, stream.Partition(p.rng.IntN(len(p.held[name])))); err != nil && !errors.Is(err, eventlog.ErrFull) {
				t.Fatal(err)
			}
		}
		for n, b := range p.bounds(name) {
			if b.Floor > p.held[name][n] {
				t.Fatalf("floor of %s/%d is %d, %d is held", name, n, b.Floor, p.held[name][n])
			}
			if b.Floor > 0 {
				floors[name]++
			}
		}
	}
	if got := slices.Sorted(maps.Keys(floors)); !slices.Equal(got, names) {
		t.Errorf("only %v were trimmed at all", got)
	}
}
