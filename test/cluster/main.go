package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"strm/test/traffic"
)

func main() {
	var cfg config
	flag.IntVar(&cfg.rounds, "rounds", 100, "how often something is broken and mended")
	flag.Uint64Var(&cfg.seed, "seed", 0, "seed of what is sent and what is broken (0: a new one, which is printed)")
	flag.Float64Var(&cfg.faults, "faults", 0.05, "share of the S3 requests that go wrong by themselves, 0 to 1")
	flag.DurationVar(&cfg.lease, "lease", 3*time.Second, "lease of the nodes")
	flag.DurationVar(&cfg.stall, "stall", 90*time.Second, "longest time without a delivery that passes")
	flag.BoolVar(&cfg.migrate, "migrate", false, "begin as one node on its own and move to the cluster under way")
	flag.StringVar(&cfg.dir, "dir", "", "directory for the run's files, kept (default a temporary one, kept only after a failure)")
	flag.StringVar(&cfg.bin, "binary", "", "strm binary to run (default: $STRM_BIN, else built from this tree)")
	flag.Parse()
	if cfg.seed == 0 {
		cfg.seed = uint64(time.Now().UnixNano())
	}
	cfg.out = os.Stdout
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(traffic.Command{
		Name: "cluster", Dir: cfg.dir, What: fmt.Sprintf("%d rounds, seed %d", cfg.rounds, cfg.seed),
		Args: fmt.Sprintf("-rounds %d -seed %d -faults %g -migrate=%t", cfg.rounds, cfg.seed, cfg.faults, cfg.migrate),
	}.Run(func(dir string) (fmt.Stringer, error) {
		cfg.dir = dir
		return run(ctx, cfg)
	}))
}
