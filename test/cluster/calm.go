package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strm/test/traffic"
)

// settleWithin bounds the delivery of what is left once nothing is broken: the
// longest back-off, and then the work itself.
const settleWithin = 10 * time.Minute

// calm delivers what is left and asks the judges: the bucket, strm verify, the
// ledger beside the bucket, the exporters' own state, and the watch.
func (r *clusterRun) calm(ctx context.Context) error {
	all := append(append([]traffic.Exporter(nil), exporters...), late)
	if err := late.Create(ctx, r.cli); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.cli, all, settleWithin); err != nil {
		return err
	}
	puts := r.store.Puts()
	// Idle nodes that stop and start have nothing to write.
	var errs []error
	for _, n := range r.nodes {
		errs = append(errs, n.Process().Stop(ctx, stopWithin))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := r.startNodes(ctx); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.cli, all, settleWithin); err != nil {
		return err
	}
	if again := r.store.Puts(); again != puts {
		errs = append(errs, fmt.Errorf("a restart with nothing to deliver wrote %d objects", again-puts))
	}
	breaches := r.store.Breaches()
	for _, b := range breaches[:min(len(breaches), traffic.MaxProblems)] {
		errs = append(errs, fmt.Errorf("breach: %s", b))
	}
	if more := len(breaches) - traffic.MaxProblems; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more breaches", more))
	}
	for _, e := range all {
		errs = append(errs, r.judge(ctx, e))
	}
	if r.result.stalled > r.stall {
		errs = append(errs, fmt.Errorf("delivery stood still for %v, longer than %v: %s", r.result.stalled, r.stall, r.result.stalls))
	}
	return errors.Join(errs...)
}

// judge compares one exporter's objects with what was sent and with its ledger.
func (r *clusterRun) judge(ctx context.Context, e traffic.Exporter) error {
	objects := r.store.List(e.Name + "/")
	var sent []*traffic.Log
	for _, l := range r.sent {
		if l.Stream == e.Stream {
			sent = append(sent, l)
		}
	}
	v := traffic.Judge(objects, sent, of(e))
	r.result.objects += int64(v.Objects)
	r.result.missing += v.Missing
	r.result.duplicates += v.Duplicate
	r.result.halves += v.Halves
	if e.Name != late.Name { // its stream is told of already
		r.result.again = max(r.result.again, v.Again)
	}
	var errs []error
	for _, p := range v.Problems {
		errs = append(errs, fmt.Errorf("%s: %s", e.Name, p))
	}
	if _, err := r.cli.Run(ctx, "verify", "batch-exporter", e.Name); err != nil {
		errs = append(errs, err)
	}
	got, err := r.cli.Exporter(ctx, e.Name)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	if got.Status.State == "blocked" || got.Status.State == "retrying" {
		errs = append(errs, fmt.Errorf("%s is %s in the end", e.Name, got.Status.State))
	}
	batches, err := r.cli.Batches(ctx, e.Name)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	return errors.Join(append(errs, traffic.CompareLedger(e.Name, batches, objects, v.Events))...)
}
