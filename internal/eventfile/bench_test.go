package eventfile

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has used of all cores.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRead reads the file named by EVENTFILE, or one of 100,000 rows, from
// its bytes to checked rows as JSON lines, temporary file included.
func BenchmarkRead(b *testing.B) {
	var raw []byte
	if name := os.Getenv("EVENTFILE"); name != "" {
		var err error
		if raw, err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
	} else {
		raw = generated(b, 100_000, madeOptions{})
	}
	dir := b.TempDir()
	check := Check{Environments: []string{"env-0", "env-1", "env-2"}}
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	start := cpuTime(b)
	var rows, out int64
	for b.Loop() {
		f, err := Open(context.Background(), bytes.NewReader(raw), int64(len(raw)), dir, Limits{FreeDisk: 1})
		if err != nil {
			b.Fatal(err)
		}
		var t Tally
		for c, err := range f.Chunks(context.Background(), 0, check, &t) {
			if err != nil {
				b.Fatal(err)
			}
			out += int64(len(c.Data))
		}
		rows += t.Rows()
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	cpu := (cpuTime(b) - start).Seconds()
	b.ReportMetric(float64(rows)/cpu, "rows/cpu-s")
	b.ReportMetric(float64(out)/1e6/cpu, "outMB/cpu-s")
}
