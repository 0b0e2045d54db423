package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"strm/internal/objstore"
	"strm/internal/objstore/s3"
	"strm/internal/objstore/s3server"
	"strm/internal/server"
)

// The credentials that scripts find in s3.json, as the vendor's page has them,
// comment included.
const (
	keyID   = "AKIASCRIPT0000000000"
	secret  = "script-secret-of-no-value"
	keyFile = `{
    "AccessKey": {
        "UserName": "strm-export-demo",
        "AccessKeyId": "` + keyID + `",
        "Status": "Active",
        "SecretAccessKey": "` + secret + `",
        "CreateDate": "2021-04-08T08:19:33+00:00" // The actual date might differ
    }
}
`
)

// startWorld starts, in this process, what a script talks to, and arranges with
// env.Defer that all of it is stopped when the script ends.
func startWorld(env *testscript.Env) (*world, error) {
	store, err := s3server.New(s3server.Options{Dir: filepath.Join(env.WorkDir, ".s3"), Region: "eu-west-1"})
	if err != nil {
		return nil, err
	}
	for _, b := range buckets() {
		if err := store.CreateBucket(b); err != nil {
			return nil, err
		}
	}
	endpoint := httptest.NewServer(store)
	env.Defer(endpoint.Close)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := server.Open(ctx, server.Config{
		Data: filepath.Join(env.WorkDir, ".data"), Listen: "127.0.0.1:0", AllowShortIntervals: true, MinFreeDisk: -1,
		Version: "test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	env.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			panic(fmt.Sprintf("the server ended with %v", err))
		}
	})
	return &world{
		Server: "http://" + s.Addr(), Token: s.AdminToken(), S3Endpoint: endpoint.URL, S3JSON: []byte(keyFile),
		List: func(bucket, prefix string) ([]storedObject, error) { return listObjects(endpoint.URL, bucket, prefix) },
		Read: func(bucket, key string) ([]byte, error) { return readObject(endpoint.URL, bucket, key) },
	}, nil
}

func openBucket(endpoint, bucket string) (*s3.Bucket, error) {
	return s3.Open(context.Background(), s3.Config{Bucket: bucket, Endpoint: endpoint, PathStyle: true, AccessKeyID: keyID, SecretAccessKey: secret})
}

func listObjects(endpoint, bucket, prefix string) ([]storedObject, error) {
	b, err := openBucket(endpoint, bucket)
	if err != nil {
		return nil, err
	}
	var out []storedObject
	for info, err := range b.List(context.Background(), prefix) {
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		out = append(out, storedObject{Key: info.Key, Size: info.Size, Modified: info.Modified})
	}
	return out, b.Close()
}

func readObject(endpoint, bucket, key string) ([]byte, error) {
	b, err := openBucket(endpoint, bucket)
	if err != nil {
		return nil, err
	}
	data, err := readAll(b, key)
	return data, errors.Join(err, b.Close())
}

func readAll(b objstore.Reader, key string) ([]byte, error) {
	body, _, err := b.Open(context.Background(), key)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(body)
	return data, errors.Join(err, body.Close())
}
