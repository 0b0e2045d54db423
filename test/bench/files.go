package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"strm/test/s3double"
)

// benchKey is the access key id of the sink's credentials.
const benchKey = "AKIABENCHBENCHBENCH0"

// filesMain serves files as objects of the bucket, below eventsPrefix, until the
// process is ended, and prints its address first.
func filesMain(ctx context.Context, files []string) error {
	store := &s3double.Store{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		store.Add(eventsPrefix+filepath.Base(name), b)
	}
	l, err := s3double.Listen(ctx, &s3double.Server{Bucket: bucket, Region: "us-east-1", AccessKey: benchKey, Store: store})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, l.URL); err != nil {
		return errors.Join(err, l.Close())
	}
	<-ctx.Done()
	return l.Close()
}
