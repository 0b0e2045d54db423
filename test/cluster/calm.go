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
const settleWithin = 4 * time.Minute

// calm delivers what is left and asks the judges: the bucket, strm verify, the
// ledger beside the bucket, the exporters' own state, and the watch.
func (r *clusterRun) calm(ctx context.Context) error {
	all := append(append([]traffic.Exporter(nil), exporters...), late)
	if err := late.Create(ctx, r.CLI); err != nil {
		return err
	}
	if err := traffic.Settle(ctx, r.CLI, all, settleWithin); err != nil {
		return err
	}
	puts := r.Store.Puts()
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
	if err := traffic.Settle(ctx, r.CLI, all, settleWithin); err != nil {
		return err
	}
	errs = append(errs, r.Kept(puts))
	for _, e := range all {
		errs = append(errs, r.judge(ctx, e))
	}
	if r.result.stalled > r.stall {
		errs = append(errs, fmt.Errorf("delivery stood still for %v, longer than %v: %s", r.result.stalled, r.stall, r.result.stalls))
	}
	return errors.Join(errs...)
}

// judge asks for the verdict on one exporter, and what it says of itself.
func (r *clusterRun) judge(ctx context.Context, e traffic.Exporter) error {
	v, wrong := r.Judge(ctx, e)
	if e.Name != late.Name { // its stream is told of already
		r.result.again = max(r.result.again, v.Again)
	}
	got, err := r.CLI.Exporter(ctx, e.Name)
	if err != nil {
		return errors.Join(wrong, err)
	}
	if got.Status.State == "blocked" || got.Status.State == "retrying" {
		wrong = errors.Join(wrong, fmt.Errorf("%s is %s in the end", e.Name, got.Status.State))
	}
	return wrong
}
