package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"strm/test/harness"
	"strm/test/netfault"
	"strm/test/s3double"
	"strm/test/servers"
)

// nodeCount is how many nodes the cluster has.
const nodeCount = 3

// node is one of them, with its own way to the bucket.
type node struct {
	*harness.Server
	toS3 *netfault.Proxy
}

// world is everything that runs beside the senders.
type world struct {
	config
	secrets string
	double  *s3double.Server
	faulty  *s3double.Faults
	s3      *s3double.Listener
	kafka   *servers.Kafka
	pg      *servers.PostgreSQL
	nodes   []*node
	single  *node // with -migrate, until it is moved
	front   *netfault.Proxy
	ends    []func() error
}

// newWorld starts the engines. Nodes are described, not started.
func newWorld(ctx context.Context, cfg config) (_ *world, err error) {
	w := &world{config: cfg, secrets: filepath.Join(cfg.dir, "secrets")}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.bin == "" {
		if w.bin, err = harness.Build(ctx, w.dir); err != nil {
			return nil, err
		}
	}
	w.double = &s3double.Server{Bucket: bucket, Region: region, AccessKey: accessKey, Store: &s3double.Store{}}
	w.faulty = s3double.NewFaults(w.double, w.seed, w.faults)
	w.faulty.Off()
	if w.s3, err = s3double.Listen(ctx, w.faulty); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, w.s3.Close)
	if w.kafka, err = servers.StartKafka(ctx, filepath.Join(w.dir, "kafka"), servers.KafkaOptions{Brokers: 3}); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, w.kafka.Close)
	if w.pg, err = servers.StartPostgres(ctx); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, w.pg.Close)
	if !w.migrate { // else strm migrate fills the directory
		if _, err := (&harness.CLI{Bin: w.bin}).Run(ctx, "init", "--secrets", w.secrets); err != nil {
			return nil, err
		}
	}
	var addrs []string
	for i := range nodeCount {
		n, err := w.describe(ctx, fmt.Sprintf("node-%d", i+1), append(w.home(), "--lease", w.lease.String())...)
		if err != nil {
			return nil, err
		}
		w.nodes = append(w.nodes, n)
		addrs = append(addrs, n.Addr)
	}
	if w.front, err = netfault.Listen(ctx, addrs...); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, w.front.Close)
	if !w.migrate {
		return w, nil
	}
	if w.single, err = w.describe(ctx, "single"); err != nil {
		return nil, err
	}
	w.front.Targets(w.single.Addr)
	return w, nil
}

// home is where the nodes' state is, as flags.
func (w *world) home() []string {
	return []string{"--secrets", w.secrets, "--log", "kafka://" + w.kafka.Bootstrap(), "--catalog", w.pg.URL()}
}

func (w *world) describe(ctx context.Context, name string, flags ...string) (*node, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	srv, err := harness.NewServer(ctx, w.bin, dir, append([]string{"--allow-short-intervals"}, flags...)...)
	if err != nil {
		return nil, err
	}
	w.ends = append(w.ends, srv.Close)
	// A node that is down keeps its port.
	addr, err := harness.FreeAddrs(ctx, 1)
	if err != nil {
		return nil, err
	}
	srv.Addr = addr[0]
	n := &node{Server: srv}
	if n.toS3, err = netfault.Listen(ctx, strings.TrimPrefix(w.s3.URL, "http://")); err != nil {
		return nil, err
	}
	w.ends = append(w.ends, n.toS3.Close)
	srv.Env = []string{"HTTP_PROXY=http://" + n.toS3.Addr()}
	return n, nil
}

// close ends everything, last first.
func (w *world) close() error {
	var errs []error
	for i := len(w.ends) - 1; i >= 0; i-- {
		errs = append(errs, w.ends[i]())
	}
	return errors.Join(errs...)
}

// startNodes starts all nodes at once, as they may, and waits for them.
func (w *world) startNodes(ctx context.Context) error {
	for _, n := range w.nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range w.nodes {
		if err := n.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cli is the command line client, through the load balancer.
func (w *world) cli() (*harness.CLI, error) {
	dir := w.secrets
	if w.single != nil {
		dir = w.single.Dir
	}
	token, err := harness.AdminToken(dir)
	if err != nil {
		return nil, err
	}
	return &harness.CLI{Bin: w.bin, Server: "http://" + w.front.Addr(), Token: token}, nil
}

// logTails returns the ends of the nodes' logs.
func (w *world) logTails() string {
	var out strings.Builder
	for i, n := range w.nodes {
		fmt.Fprintf(&out, "node %d's log ends:\n%s\n", i+1, n.LogTail(3<<10))
	}
	if w.single != nil {
		fmt.Fprintf(&out, "the single node's log ends:\n%s\n", w.single.LogTail(3<<10))
	}
	return out.String()
}

// stopWithin bounds a graceful stop while things are broken.
const stopWithin = 45 * time.Second
