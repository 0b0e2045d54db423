package download

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Run brings the files to the directory, which is made if it is not there. A
// file that fails does not stop the others. The error is of the directory, or
// ctx's; Result tells in either case what was done.
//
// Stopped anywhere, every file under its name is whole; running again brings
// the rest. A temporary file may be left by a process that was killed. Two runs
// at once do the work twice and come to the same end.
func Run(ctx context.Context, dir string, files []File, fetch Fetch, o Options) (Result, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return Result{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Result{}, err
	}
	r := &run{root: root, fetch: fetch, Options: o.withDefaults()}
	r.progress.Of = len(files)
	for _, f := range files {
		r.progress.Size += f.Bytes
	}
	r.all(ctx, files)
	slices.SortFunc(r.result.Failed, func(a, b Failure) int { return cmp.Compare(a.Key, b.Key) })
	return r.result, errors.Join(ctx.Err(), root.Close())
}

func (o Options) withDefaults() Options {
	if o.Jobs <= 0 {
		o.Jobs = 8
	}
	if o.Tries <= 0 {
		o.Tries = 4
	}
	if o.Wait <= 0 {
		o.Wait = 500 * time.Millisecond
	}
	if o.Again == nil {
		o.Again = func(error) bool { return true }
	}
	if o.Report == nil {
		o.Report = func(Progress) {}
	}
	return o
}

// run is one call of Run.
type run struct {
	Options
	root  *os.Root
	fetch Fetch

	mu       sync.Mutex // guards what follows
	progress Progress
	result   Result
}

func (r *run) all(ctx context.Context, files []File) {
	var g errgroup.Group
	g.SetLimit(r.Jobs)
	owner := make(map[string]string, len(files))
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		if other, taken := owner[f.Name]; taken {
			r.settle(f, false, fmt.Errorf("%s would overwrite it: both become %s", other, f.Name))
			continue
		}
		owner[f.Name] = f.Key
		g.Go(func() error {
			fetched, err := r.one(ctx, f)
			if err == nil || ctx.Err() == nil {
				r.settle(f, fetched, err)
			}
			return nil
		})
	}
	_ = g.Wait() // no function returns an error
}

// settle notes what came of a file.
func (r *run) settle(f File, fetched bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Files++
	switch {
	case err != nil:
		r.result.Failed = append(r.result.Failed, Failure{f.Key, err})
	case fetched:
		r.result.Downloaded++
		r.result.Bytes += f.Bytes
	default:
		r.result.Present++
		r.progress.Bytes += f.Bytes
	}
	r.Report(r.progress)
}

// moved notes bytes fetched; fewer than none where a try was in vain.
func (r *run) moved(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress.Bytes += n
	r.progress.Fresh += n
	r.Report(r.progress)
}
