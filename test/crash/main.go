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
	os.Exit(traffic.Command{
		Name: "crash", Dir: *dir, What: fmt.Sprintf("%d rounds, seed %d", *rounds, *seed),
		Args: fmt.Sprintf("-rounds %d -seed %d -faults %g", *rounds, *seed, *faults),
	}.Run(func(dir string) (fmt.Stringer, error) {
		return run(ctx, config{rounds: *rounds, seed: *seed, faults: *faults, dir: dir, bin: *bin, out: os.Stdout})
	}))
}
