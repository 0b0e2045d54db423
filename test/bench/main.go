package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs the bench, or one of the processes that it starts of itself.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "sink":
			return sinkMain(ctx, args[1:])
		case "files":
			return filesMain(ctx, args[1:])
		case "client":
			return clientMain(ctx, args[1:])
		case "put":
			return putMain(ctx, args[1:])
		case "consume":
			return consumeMain(ctx, args[1:])
		case "floor":
			return floorMain(ctx, args[1:])
		}
	}
	var c config
	fs := flag.NewFlagSet("bench", flag.ExitOnError)
	fs.IntVar(&c.events, "events", 1_000_000, "events to send")
	fs.IntVar(&c.size, "size", 544, "mean size of an event in bytes, at least 480")
	fs.IntVar(&c.conns, "conns", 8, "connections of the client")
	fs.IntVar(&c.batch, "batch", 100, "events per request")
	fs.IntVar(&c.partitions, "partitions", 1, "partitions of the stream")
	fs.Int64Var(&c.maxBytes, "max-bytes", 64<<20, "raw bytes per object, for strm and the floor")
	fs.IntVar(&c.runs, "runs", 3, "how often everything is measured; the table shows medians")
	fs.IntVar(&c.idle, "idle", 1000, "exporters without events; 0 leaves that part out")
	fs.IntVar(&c.streams, "streams", 1000, "streams that strm airbyte writes at once, with a quarter of the events in all; 0 leaves that part out")
	fs.DurationVar(&c.idleFor, "idle-for", 20e9, "how long the idle exporters are watched")
	fs.StringVar(&c.dir, "dir", "", "directory for data (default a temporary one); its disk is what fsync waits for")
	fs.StringVar(&c.bin, "binary", "", "strm binary (default: $STRM_BIN, else built from this tree)")
	fs.StringVar(&c.only, "only", "", "of strm's cases, only those with this in their name; the floors are always taken")
	fs.BoolVar(&c.parquet, "parquet", true, "measure impressions to Parquet and event files to events, beside DuckDB and pyarrow")
	fs.StringVar(&c.python, "python", "", "Python that has duckdb and pyarrow (default .integration/venv/bin/python, if it is there)")
	fs.BoolVar(&c.scale, "scale", false, "measure nodes on Kafka and PostgreSQL, and nothing else (test/integration/install-scale.sh installs them)")
	fs.BoolVar(&c.check, "check", false, "fail if an aim is missed")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return bench(ctx, c)
}
