package importer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"strm/internal/notice"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

const (
	listPage     = 1000 // files that the ledger is asked of at once
	parallelStat = 8    // of one listing
	mostStatFail = 10   // of one page; then the bucket is in trouble, not a file
)

// list looks through the bucket for files that nobody has told of. It is the net
// below notices that are lost, so it trusts nothing that a notice would have said.
// Files that it could not look at are found by the next one.
func (r *Runner) list(ctx context.Context, i *stream.Importer) (found int, err error) {
	sink, err := r.buckets.get(ctx, i.Sink)
	if err != nil {
		return 0, fmt.Errorf("sink %s: %w", i.Sink, err)
	}
	lister, ok := sink.bucket.(objstore.Lister)
	stater, ok2 := sink.bucket.(objstore.Stater)
	if !ok || !ok2 {
		return 0, problem.New(problem.Invalid, "sink %s is of a kind that cannot be listed", i.Sink)
	}
	// Stores tell times in whole seconds.
	since := i.CreatedAt.Truncate(time.Second)
	var unseen error // files that could not be looked at
	page := make([]notice.File, 0, listPage)
	flush := func() error {
		n, skipped, err := r.noticePage(ctx, i, sink.Bucket, stater, page)
		found += n
		unseen = errors.Join(unseen, skipped)
		page = page[:0]
		return err
	}
	for info, err := range lister.List(ctx, i.Prefix) {
		if err != nil {
			return found, err
		}
		if !i.Wants(info.Key) || !i.FromStart && info.Modified.Before(since) {
			continue
		}
		page = append(page, fileOf(sink.Bucket, info))
		if len(page) == listPage {
			if err := flush(); err != nil {
				return found, err
			}
		}
	}
	if err := flush(); err != nil {
		return found, err
	}
	return found, unseen
}

func fileOf(bucket string, info objstore.Info) notice.File {
	return notice.File{
		Bucket: bucket, Key: info.Key, VersionID: info.VersionID, ETag: objstore.BareETag(info.ETag), Size: info.Size, At: info.Modified.UTC(),
	}
}

// noticePage notices those of the files that are new. A listing says no version, so
// each of them is asked for. skipped is what was wrong with the first file that could not be.
func (r *Runner) noticePage(ctx context.Context, i *stream.Importer, bucket string, stater objstore.Stater, page []notice.File) (found int, skipped, err error) {
	if len(page) == 0 {
		return 0, nil, nil
	}
	unknown, err := r.ledger.UnknownFiles(ctx, i.ID, page)
	if err != nil {
		return 0, nil, fmt.Errorf("look for files that are not known: %w", err)
	}
	if len(unknown) == 0 {
		return 0, nil, nil
	}
	var mu sync.Mutex
	files := make([]notice.File, 0, len(unknown))
	failed := 0
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelStat)
	for _, f := range unknown {
		g.Go(func() error {
			info, err := stater.Stat(gctx, f.Key)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				info.Key = f.Key
				files = append(files, fileOf(bucket, info))
			case objstore.AsError(err).Reason == objstore.NoObject: // deleted since
			default:
				if skipped == nil {
					skipped = err
				}
				if failed++; failed >= mostStatFail {
					return err
				}
			}
			return nil
		})
	}
	err = g.Wait()
	if len(files) > 0 {
		n, nerr := r.ledger.Noticed(ctx, i.ID, "list", time.Now().UTC(), files)
		if nerr != nil {
			return 0, skipped, fmt.Errorf("note %d files: %w", len(files), nerr)
		}
		found = n
		r.kick(ofFiles)
	}
	return found, skipped, err
}
