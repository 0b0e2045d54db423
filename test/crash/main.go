package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 200, "how often the server is ended and started again")
	seed := flag.Uint64("seed", 0, "seed of what is sent, the faults and the kills (0: a new one, which is printed)")
	faults := flag.Float64("faults", 0.3, "share of the S3 requests that go wrong, 0 to 1")
	dir := flag.String("dir", "", "directory for the run's files, kept (default a temporary one, kept only after a failure)")
	bin := flag.String("binary", "", "strm binary to run (default: $STRM_BIN, else built from this tree)")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(command(ctx, config{rounds: *rounds, seed: *seed, faults: *faults, dir: *dir, bin: *bin, out: os.Stdout}))
}

// command does one run and returns the exit status.
func command(ctx context.Context, cfg config) int {
	keep := cfg.dir != ""
	if !keep {
		dir, err := os.MkdirTemp("", "strm-crash-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "crash:", err)
			return 1
		}
		cfg.dir = dir
	}
	fmt.Printf("crash: %d rounds, seed %d, files in %s\n", cfg.rounds, cfg.seed, cfg.dir)
	res, err := run(ctx, cfg)
	fmt.Printf("crash: %d rounds, seed %d: %v\n", cfg.rounds, cfg.seed, res)
	if err != nil {
		fmt.Fprintf(os.Stderr, "crash: FAILED\n%v\nfiles kept in %s; again with: go run ./test/crash -rounds %d -seed %d -faults %g\n",
			err, cfg.dir, cfg.rounds, cfg.seed, cfg.faults)
		return 1
	}
	if !keep {
		if err := os.RemoveAll(cfg.dir); err != nil {
			fmt.Fprintln(os.Stderr, "crash:", err)
			return 1
		}
	}
	return 0
}
