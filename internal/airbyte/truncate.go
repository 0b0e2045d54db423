package airbyte

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"strm/internal/airbyte/protocol"
	"strm/internal/objstore"
	"strm/internal/problem"
)

// listedBucket is what overwriting needs of a bucket.
type listedBucket interface {
	objstore.Bucket
	objstore.Lister
	objstore.Stater
	objstore.Deleter
}

func listed(b objstore.Bucket) (listedBucket, error) {
	l, ok := b.(listedBucket)
	if !ok {
		return nil, problem.New(problem.Invalid, "this store cannot be listed or deleted from, which overwriting needs")
	}
	return l, nil
}

// Superseded is an object of an older generation.
type Superseded struct {
	Key        string
	Size       int64
	Generation int64
}

// atOnce is how many objects are asked for, or deleted, at the same time.
const atOnce = 8

// superseded finds the objects of the stream that are proved ours and older
// than the generation that is written. The name only says where to look: every
// object is asked for its marks. own are the keys written in this run: all must
// be listed, and none is ever returned.
//
// Two pipelines in one place: objects of a newer generation, or of an older one
// stored after this run's first, are another's work. Then it refuses.
func superseded(ctx context.Context, b listedBucket, destination string, s *stream) ([]Superseded, error) {
	own := map[string]bool{}
	for _, k := range s.written {
		own[k] = true
	}
	var infos []objstore.Info
	var began time.Time
	all, err := patient(ctx, func() ([]objstore.Info, error) { return list(ctx, b, s.names.prefix()) })
	if err != nil {
		return nil, err
	}
	for _, info := range all {
		if !own[info.Key] {
			infos = append(infos, info)
			continue
		}
		if began.IsZero() || info.Modified.Before(began) {
			began = info.Modified
		}
		delete(own, info.Key)
	}
	for _, k := range s.written {
		if own[k] {
			return nil, problem.New(problem.Unavailable, "object %s of this sync is not listed: has somebody else deleted it? Older objects stay", k)
		}
	}
	found := make([]*Superseded, len(infos))
	err = parallel(ctx, len(infos), func(ctx context.Context, i int) error {
		info, err := patient(ctx, func() (objstore.Info, error) { return b.Stat(ctx, infos[i].Key) })
		if err != nil {
			if objstore.AsError(err).Reason == objstore.NoObject {
				return nil
			}
			return err
		}
		g, ok := s.ours(destination, info.Metadata)
		if !ok {
			return nil
		}
		switch g.against(s.gen) {
		case same:
			return nil
		case newer:
			return problem.New(problem.Conflict, "object %s is of generation %d, newer than this sync's %d: does another connection write here? Nothing is deleted; give each its own destination_id", info.Key, max(g.number, g.own), max(s.gen.number, s.gen.own))
		case older:
			// Times of stores have whole seconds.
			if !began.IsZero() && info.Modified.Truncate(time.Second).After(began.Truncate(time.Second)) {
				return problem.New(problem.Conflict, "object %s of generation %d was stored while this sync ran: does another connection write here? Nothing is deleted; give each its own destination_id", info.Key, max(g.number, g.own))
			}
			found[i] = &Superseded{Key: info.Key, Size: info.Size, Generation: max(g.number, g.own)}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Superseded
	for _, f := range found {
		if f != nil {
			out = append(out, *f)
		}
	}
	return out, nil
}

// list returns all objects below a prefix.
func list(ctx context.Context, b objstore.Lister, prefix string) (all []objstore.Info, err error) {
	for info, err := range b.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		all = append(all, info)
	}
	return all, nil
}

// truncate deletes what a complete generation replaces. If it fails on the way
// both generations are there in part, and the next success goes on.
func (w *writer) truncate(ctx context.Context, s *stream) error {
	b, err := listed(w.deps.Bucket)
	if err != nil {
		return err
	}
	old, err := superseded(ctx, b, w.cfg.ID, s)
	if err != nil {
		return fmt.Errorf("stream %s: look for older generations: %w", s.catalog.Descriptor, err)
	}
	err = parallel(ctx, len(old), func(ctx context.Context, i int) error {
		_, err := patient(ctx, func() (struct{}, error) { return struct{}{}, b.Delete(ctx, old[i].Key) })
		return err
	})
	if err != nil {
		return fmt.Errorf("stream %s: the new generation is stored, but not all of the older one is deleted; the next sync goes on: %w", s.catalog.Descriptor, err)
	}
	w.out.Log(protocol.Info, "stream %s: generation %d is complete; %d older objects deleted", s.catalog.Descriptor, max(s.gen.number, s.gen.own), len(old))
	return nil
}

// parallel calls do for 0 to n-1, a few at a time, until the first error.
func parallel(ctx context.Context, n int, do func(context.Context, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next int
		errs []error
	)
	for range min(atOnce, n) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= n || len(errs) > 0 || ctx.Err() != nil
				mu.Unlock()
				if stop {
					return
				}
				if err := do(ctx, i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					cancel()
				}
			}
		})
	}
	wg.Wait()
	if len(errs) == 0 {
		return ctx.Err()
	}
	for _, err := range errs {
		if !errors.Is(err, context.Canceled) {
			return err // the others were cancelled because of it
		}
	}
	return errs[0]
}

// patient repeats what may mend itself, a few times.
func patient[T any](ctx context.Context, do func() (T, error)) (T, error) {
	for pause := firstPause; ; pause *= 2 {
		v, err := do()
		if err == nil || pause > 16*firstPause || ctx.Err() != nil {
			return v, err
		}
		if e := objstore.AsError(err); e.Reason.NeedsPerson() || e.Reason == objstore.NoObject {
			return v, err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return v, err
		}
	}
}
