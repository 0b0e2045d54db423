// Command try starts a real Kafka of three brokers and a PostgreSQL for trying several
// nodes of strm on one machine, prints where they are, and ends them when it is
// interrupted. Nothing of them is kept.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"strm/test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := try(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "try:", err)
		os.Exit(1)
	}
}

func try(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "strm-try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := fmt.Fprintln(out, "starting three brokers of Kafka and a PostgreSQL"); err != nil {
		return err
	}
	kafka, err := servers.StartKafka(ctx, dir, servers.KafkaOptions{Brokers: 3})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kafka.Close()) }()
	pg, err := servers.StartPostgres(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	if err := pg.Exec(ctx, "CREATE DATABASE strm"); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "They run until Ctrl-C. In each terminal of a node:\n\n    export STRM_LOG=kafka://%s STRM_CATALOG='%s'\n\n", kafka.Bootstrap(), pg.Database("strm"))
	<-ctx.Done()
	return err
}
