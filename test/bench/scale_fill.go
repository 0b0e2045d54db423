package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/twmb/franz-go/pkg/kgo"

	"strm/test/servers"
)

// fill makes a topic and produces each line of a file to it as a record,
// compressed with LZ4, to all partitions alike.
func fill(ctx context.Context, k *servers.Kafka, topic string, partitions int32, file string) error {
	adm, err := k.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	if _, err := adm.CreateTopic(ctx, partitions, -1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	cl, err := k.Client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.ProducerLinger(20e6),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(f, 1<<20)
	var first kgo.FirstErrPromise
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
		cl.Produce(ctx, &kgo.Record{Value: line[:len(line)-1]}, first.Promise())
	}
	return errors.Join(cl.Flush(ctx), first.Err(), f.Close())
}

// consumeMain is the floor of scale: a bare consumer whose records, one a line,
// are compressed and thrown away. It prints how many there were.
func consumeMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("consume", flag.ExitOnError)
	brokers := fs.String("brokers", "", "addresses, divided by commas")
	topic := fs.String("topic", "", "topic to read from its beginning")
	want := fs.Int64("events", 0, "records to read")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(*brokers, ",")...), kgo.ConsumeTopics(*topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer cl.Close()
	zw, err := gzip.NewWriterLevel(io.Discard, 1)
	if err != nil {
		return err
	}
	var n int64
	for n < *want {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		var werr error
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			_, err := zw.Write(r.Value)
			_, nerr := zw.Write([]byte{'\n'})
			werr = errors.Join(werr, err, nerr)
		})
		if werr != nil {
			return werr
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	_, err = fmt.Println(n)
	return err
}
