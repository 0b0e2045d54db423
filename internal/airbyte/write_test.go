package airbyte_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"strm/internal/airbyte"
	"strm/internal/airbyte/config"
	"strm/internal/airbyte/protocol"
	"strm/internal/format/jsonl"
	"strm/internal/objstore"
	"strm/internal/objstore/faulty"
	"strm/internal/objstore/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const cfg = `{"s3_bucket_name":"bucket","s3_bucket_path":"p","format":{"format_type":"JSONL","compression":{"compression_type":"No Compression"}}}`

func catalog(n int) []byte {
	var streams []any
	for i := range n {
		streams = append(streams, map[string]any{"stream": map[string]any{"name": fmt.Sprint("s", i)}, "destination_sync_mode": "append"})
	}
	text, err := json.Marshal(map[string]any{"streams": streams})
	if err != nil {
		panic(err)
	}
	return text
}

// stored returns the numbers of the records in a bucket, each with how often.
func stored(t *testing.T, b *mem.Bucket) map[int64]int {
	t.Helper()
	got := map[int64]int{}
	for info, err := range b.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := b.Open(context.Background(), info.Key)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			var m struct {
				Data struct{ N int64 } `json:"_airbyte_data"`
			}
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatal(err)
			}
			got[m.Data.N]++
		}
	}
	return got
}

// judge reads the output: when a state comes back, everything it covers must be
// in the bucket at that moment.
type judge struct {
	t      *testing.T
	bucket *mem.Bucket
	covers map[string][]int64 // by state's id: numbers of the records before it
	counts map[string]int64

	mu    sync.Mutex
	order []string
}

func (j *judge) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var m struct {
		Type  string
		State struct {
			ID    string
			Stats struct{ RecordCount float64 } `json:"destinationStats"`
		}
	}
	if err := json.Unmarshal(p, &m); err != nil {
		j.t.Errorf("%q: %v", p, err)
	}
	if m.Type != "STATE" {
		return len(p), nil
	}
	j.order = append(j.order, m.State.ID)
	got := stored(j.t, j.bucket)
	for _, n := range j.covers[m.State.ID] {
		if got[n] == 0 {
			j.t.Errorf("state %s came back, but record %d is not stored", m.State.ID, n)
			break
		}
	}
	if want := j.counts[m.State.ID]; int64(m.State.Stats.RecordCount) != want {
		j.t.Errorf("state %s: %v records, want %d", m.State.ID, m.State.Stats.RecordCount, want)
	}
	return len(p), nil
}

// Random records and states, little memory and disk, a store that fails in every
// way: states are honest and in order, and every record is stored once.
func TestStatesAreHonest(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { honest(t, seed) })
		})
	}
}

func honest(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	const streams = 20
	global := seed%2 == 1
	b := mem.New(func(key string) { t.Errorf("%s was written over", key) })
	j := &judge{t: t, bucket: b, covers: map[string][]int64{}, counts: map[string]int64{}}
	var in strings.Builder
	perStream := make([][]int64, streams)
	since := make([]int64, streams+1)
	var all []int64
	last := map[string]string{} // by stream: the newest state
	follows := map[string]string{}
	for n := range int64(3000) {
		s := r.IntN(streams)
		fmt.Fprintf(&in, `{"type":"RECORD","record":{"stream":"s%d","emitted_at":1,"data":{"n":%d,"pad":"%s"}}}`+"\n", s, n, strings.Repeat("x", r.IntN(400)))
		perStream[s], all = append(perStream[s], n), append(all, n)
		since[s]++
		since[streams]++
		if r.IntN(40) > 0 {
			continue
		}
		id := fmt.Sprint("state", n)
		who, home := streams, "all"
		if !global {
			who = r.IntN(streams)
			home = fmt.Sprint(who)
			j.covers[id] = append([]int64(nil), perStream[who]...)
			fmt.Fprintf(&in, `{"type":"STATE","state":{"type":"STREAM","id":%q,"stream":{"stream_descriptor":{"name":"s%d"}}}}`+"\n", id, who)
		} else {
			j.covers[id] = append([]int64(nil), all...)
			fmt.Fprintf(&in, `{"type":"STATE","state":{"type":"GLOBAL","id":%q}}`+"\n", id)
		}
		j.counts[id], since[who] = since[who], 0
		follows[id], last[home] = last[home], id
	}
	var mu sync.Mutex
	store := faulty.Wrap(b, func(op, _ string, _ int) faulty.Fault {
		mu.Lock()
		defer mu.Unlock()
		if op == "put" && r.IntN(3) == 0 {
			k := []faulty.Kind{faulty.RequestLost, faulty.AnswerLost, faulty.NoAnswer, faulty.Refused}[r.IntN(4)]
			return faulty.Fault{Kind: k, Reason: objstore.Contended}
		}
		return faulty.Fault{}
	}, nil)
	open := func(context.Context, *config.Config) (*airbyte.Deps, error) {
		return &airbyte.Deps{Bucket: store, Format: jsonl.Format{}, TempDir: t.TempDir(), Memory: 20 << 10, Disk: 100 << 10, GiveUp: time.Hour}, nil
	}
	out := protocol.NewWriter(j, time.Now)
	if err := airbyte.Write(t.Context(), []byte(cfg), catalog(streams), strings.NewReader(in.String()), open, out); err != nil {
		t.Fatal(err)
	}
	got := stored(t, b)
	for _, n := range all {
		if got[n] != 1 {
			t.Errorf("record %d is stored %d times", n, got[n])
		}
	}
	seen := map[string]bool{"": true}
	for _, id := range j.order {
		if !seen[follows[id]] || seen[id] {
			t.Errorf("state %s came before %s, or twice", id, follows[id])
		}
		seen[id] = true
	}
	if len(j.order) != len(j.covers) {
		t.Errorf("%d states of %d came back", len(j.order), len(j.covers))
	}
}

// A store that never mends: the run gives up, and what was not stored is not
// acknowledged.
func TestStoreThatStaysBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mem.New(nil)
		store := faulty.Wrap(b, func(op, key string, _ int) faulty.Fault {
			if strings.Contains(key, "/s1/") {
				return faulty.Fault{Kind: faulty.NoAnswer}
			}
			return faulty.Fault{}
		}, nil)
		var out bytes.Buffer
		open := func(context.Context, *config.Config) (*airbyte.Deps, error) {
			return &airbyte.Deps{Bucket: store, Format: jsonl.Format{}, TempDir: t.TempDir()}, nil
		}
		in := `{"type":"RECORD","record":{"stream":"s0","emitted_at":1,"data":{"n":1}}}
{"type":"STATE","state":{"type":"STREAM","id":"a","stream":{"stream_descriptor":{"name":"s0"}}}}
{"type":"RECORD","record":{"stream":"s1","emitted_at":1,"data":{"n":2}}}
{"type":"STATE","state":{"type":"STREAM","id":"b","stream":{"stream_descriptor":{"name":"s1"}}}}
`
		began := time.Now()
		err := airbyte.Write(t.Context(), []byte(cfg), catalog(2), strings.NewReader(in), open, protocol.NewWriter(&out, time.Now))
		if err == nil || !errors.Is(err, faulty.ErrInjected) {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("it gave up after %v", took)
		}
		text := out.String()
		if !strings.Contains(text, `"id":"a"`) || strings.Contains(text, `"id":"b"`) || !strings.Contains(text, "transient_error") {
			t.Error(text)
		}
	})
}

// A cancelled run lets the upload under way finish, acknowledges it, and begins
// no other.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := mem.New(nil)
		release := make(chan struct{})
		store := faulty.Wrap(b, func(string, string, int) faulty.Fault {
			return faulty.Fault{Kind: faulty.Stalled, Release: release}
		}, nil)
		var out bytes.Buffer
		open := func(context.Context, *config.Config) (*airbyte.Deps, error) {
			return &airbyte.Deps{Bucket: store, Format: jsonl.Format{}, TempDir: t.TempDir()}, nil
		}
		in, w := io.Pipe()
		done := make(chan error)
		go func() {
			done <- airbyte.Write(ctx, []byte(cfg), catalog(1), in, open, protocol.NewWriter(&out, time.Now))
		}()
		say := func(text string) {
			if _, err := io.WriteString(w, text+"\n"); err != nil {
				t.Error(err)
			}
		}
		say(`{"type":"RECORD","record":{"stream":"s0","emitted_at":1,"data":{"n":1}}}`)
		say(`{"type":"STATE","state":{"id":"a"}}`)
		time.Sleep(5 * time.Second) // of the bubble: the source is silent, the chunk goes
		synctest.Wait()
		say(`{"type":"RECORD","record":{"stream":"s0","emitted_at":1,"data":{"n":2}}}`)
		say(`{"type":"STATE","state":{"id":"b"}}`)
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		if err := <-done; !errors.Is(err, airbyte.ErrTerminated) {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if got := stored(t, b); got[1] != 1 || got[2] != 0 {
			t.Errorf("stored %v", got)
		}
		if text := out.String(); !strings.Contains(text, `"id":"a"`) || strings.Contains(text, `"id":"b"`) {
			t.Error(text)
		}
	})
}

// What a killed run left is removed by the next one; a living one's stays.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "strm-airbyte-dead")
	other := filepath.Join(dir, "another")
	for _, d := range []string{dead, other} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(context.Context, *config.Config) (*airbyte.Deps, error) {
		return &airbyte.Deps{Bucket: mem.New(nil), Format: jsonl.Format{}, TempDir: dir}, nil
	}
	first, w := io.Pipe()
	done := make(chan error)
	go func() {
		done <- airbyte.Write(t.Context(), []byte(cfg), catalog(1), first, open, protocol.NewWriter(io.Discard, time.Now))
	}()
	if _, err := io.WriteString(w, "{}\n"); err != nil { // it reads: its directory is there
		t.Fatal(err)
	}
	if err := airbyte.Write(t.Context(), []byte(cfg), catalog(1), strings.NewReader(""), open, protocol.NewWriter(io.Discard, time.Now)); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if left, err = filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 || left[0] != other {
		t.Errorf("%v, %v", left, err)
	}
}

// Nobody hears: the run stops.
func TestOutputThatIsGone(t *testing.T) {
	r, w := io.Pipe()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	open := func(context.Context, *config.Config) (*airbyte.Deps, error) {
		return &airbyte.Deps{Bucket: mem.New(nil), Format: jsonl.Format{}, TempDir: t.TempDir()}, nil
	}
	err := airbyte.Write(t.Context(), []byte(cfg), catalog(1), strings.NewReader(`{"type":"STATE","state":{}}`+"\n"), open, protocol.NewWriter(w, time.Now))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}
