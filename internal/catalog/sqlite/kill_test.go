package sqlite

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/stream"
)

const killedPath = "STRM_TEST_KILLED_CATALOG"

// TestMain lets the test binary be the process that is killed, and looks for
// goroutines left over once all tests are through.
func TestMain(m *testing.M) {
	if path := os.Getenv(killedPath); path != "" {
		fmt.Fprintln(os.Stderr, "writer ended:", writeUntilKilled(context.Background(), path))
		os.Exit(1)
	}
	// Before the flags are parsed, so that the command line has the last word.
	if err := flag.Set("rapid.checks", rapidChecks); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// writeUntilKilled plans and finishes batches and prints what was answered.
func writeUntilKilled(ctx context.Context, path string) error {
	db, err := Open(ctx, path)
	if err != nil {
		return err
	}
	for {
		e, err := db.Exporter(ctx, "e")
		if err != nil {
			return err
		}
		b := killedBatch(e)
		if err := db.Plan(ctx, []stream.Batch{b}, stream.Position{b.Objects[0].Ranges[0].End}); err != nil {
			return err
		}
		fmt.Println("planned", b.ID)
		b.State, b.Objects[0].MaybeStored = stream.BatchAttempted, true
		if err := db.Save(ctx, &b); err != nil {
			return err
		}
		fmt.Println("attempted", b.ID)
		b.State, b.Objects[0].Stored, b.Objects[0].Bytes = stream.BatchDone, true, 7
		if err := db.Save(ctx, &b); err != nil {
			return err
		}
		fmt.Println("done", b.ID)
	}
}

func killedBatch(e stream.Exporter) stream.Batch {
	seq := e.LastSeq + 1
	return stream.Batch{ID: stream.BatchID(e.ID, seq), ExporterID: e.ID, StreamID: e.StreamID, Sink: e.Sink, Seq: seq, State: stream.BatchPlanned,
		Objects: []stream.Object{{Key: fmt.Sprint(seq), Events: 3, Ranges: []stream.Range{{Start: e.Next[0], End: e.Next[0] + 3}}}}}
}

// A process killed at any moment leaves a ledger that holds all it answered,
// whole transactions only, and that goes on where it stopped.
func TestKilled(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "catalog.db")
	db := mustOpen(t, path)
	if err := db.CreateStream(ctx, stream.Stream{ID: "s", Name: "s", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.PutSink(ctx, stream.Sink{Name: "k", Type: stream.SinkS3, Bucket: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateExporter(ctx, stream.Exporter{ID: "e", Name: "e", Stream: "s", Sink: "k", Start: stream.Position{0}}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, db)
	for round := range 5 {
		answered := runAndKill(t, path, 10+7*round)
		db := mustOpen(t, path)
		for id, state := range answered {
			b, err := db.Batch(ctx, id)
			if err != nil {
				t.Fatalf("round %d: %s was answered %s: %v", round, id, state, err)
			}
			if rank(b.State) < rank(state) {
				t.Fatalf("round %d: %s was answered %s and is %s", round, id, state, b.State)
			}
		}
		e, err := db.Exporter(ctx, "e")
		if err != nil {
			t.Fatal(err)
		}
		var n, done int64
		if err := db.EachBatch(ctx, "e", func(b *stream.Batch) error {
			want := stream.Range{Start: stream.Offset(n * 3), End: stream.Offset(n*3 + 3)}
			if got := b.Ranges(); len(got) != 1 || got[0] != want {
				return fmt.Errorf("batch %s covers %v, want %v", b.ID, got, want)
			}
			n++
			if b.State == stream.BatchDone {
				done++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		sum, err := db.Totals(ctx, "e")
		if err != nil || sum.Batches != done || sum.Bytes != 7*done || sum.UnfinishedBatches != n-done || e.LastSeq != n || e.Next[0] != stream.Offset(3*n) {
			t.Fatalf("round %d: %d batches, %d done; totals %+v, exporter %+v, %v", round, n, done, sum, e, err)
		}
		mustClose(t, db)
	}
}

func rank(s stream.BatchState) int {
	return strings.Index("planned attempted done", string(s))
}

// runAndKill runs a writer, kills it after so many answers and returns them.
func runAndKill(t *testing.T, path string, answers int) map[string]stream.BatchState {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), killedPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := map[string]stream.BatchState{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == answers {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		if state, id, ok := strings.Cut(lines.Text(), " "); ok {
			got[id] = stream.BatchState(state)
		}
	}
	if err := cmd.Wait(); err == nil || len(got) < answers/3 {
		t.Fatalf("the writer gave %d answers and ended with %v", len(got), err)
	}
	return got
}
