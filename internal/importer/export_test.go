package importer

import (
	"context"
	"log/slog"

	"strm/internal/objstore"
	"strm/internal/stream"
)

type unseen struct{ Observer }

func (unseen) Fetched(string, int64) {}

// Fetch fetches one version of a file.
func Fetch(ctx context.Context, b objstore.Bucket, key, version string, open OpenFile) error {
	r := New(Options{OpenFile: open, Logger: slog.New(slog.DiscardHandler), Observer: unseen{}})
	f, err := r.fetch(ctx, &stream.Import{Key: key, Version: "v:" + version}, &openSink{bucket: b})
	if err == nil {
		err = f.Close()
	}
	return err
}

// Busy reports whether any work is in hand.
func (r *Runner) Busy() bool {
	return r.files.free() < r.files.size || r.reports.free() < r.reports.size || r.listings.free() < r.listings.size
}
