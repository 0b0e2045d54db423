// Package gcs keeps objects in Google Cloud Storage.
//
// An object is one upload request with ifGenerationMatch=0 and a CRC-32C that
// the service checks. The library makes one attempt; what a failure may have
// left behind is told by objstore.Error, see classify.go.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"strm/internal/objstore"
)

// Config says which bucket and as whom.
type Config struct {
	Bucket          string
	CredentialsJSON []byte // a service account's key; empty: the server's environment
	Endpoint        string // URL of the JSON API's host, for tests; empty for Google
}

// Time limits, as for S3: a base plus the size at the slowest rate worth waiting for.
const (
	dialTimeout     = 10 * time.Second
	answerTimeout   = 60 * time.Second
	requestBase     = 90 * time.Second
	slowestBytesPer = 128 << 10 // bytes per second
)

const googleEndpoint = "https://storage.googleapis.com"

// Bucket is a bucket of Google Cloud Storage. Safe for concurrent use.
type Bucket struct {
	name      string
	client    *storage.Client
	bucket    *storage.BucketHandle
	transport *http.Transport
}

// Open checks the credentials' form and returns the bucket. Nothing is sent.
func Open(ctx context.Context, cfg Config) (*Bucket, error) {
	if cfg.Bucket == "" {
		return nil, errors.New("gcs: the bucket has no name")
	}
	base := newTransport()
	creds, err := detect(cfg.CredentialsJSON, &http.Client{Transport: base, Timeout: answerTimeout})
	if err != nil {
		return nil, err
	}
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = googleEndpoint
	}
	client, err := storage.NewClient(ctx,
		option.WithHTTPClient(&http.Client{
			Transport:     &authorizing{creds: creds, next: base},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		option.WithAuthCredentials(creds),            // or the library looks for others, on the network
		option.WithEndpoint(endpoint+"/storage/v1/"), // given in any case: no variable of the environment redirects us
		storage.WithJSONReads())
	if err != nil {
		return nil, fmt.Errorf("gcs: %w", err)
	}
	client.SetRetry(storage.WithPolicy(storage.RetryNever))
	return &Bucket{name: cfg.Bucket, client: client, bucket: client.Bucket(cfg.Bucket), transport: base}, nil
}

// Close releases the client and idle connections.
func (b *Bucket) Close() error {
	err := b.client.Close()
	b.transport.CloseIdleConnections()
	return err
}

// Create implements objstore.Bucket. The content is read twice: the service
// checks a CRC-32C, which must be known beforehand, and the content's own CRC-32
// is checked on that occasion. What if the request or its answer is lost, the
// process dies, it runs twice: as for S3, Ambiguous once a connection was there,
// and the condition lets only one write succeed.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := objstore.CheckKey(key); err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.BadKey, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, requestBase+time.Duration(max(c.Size, 0)/slowestBytesPer)*time.Second,
		errors.New("the store took too long"))
	defer cancel()
	body, err := c.Open()
	if err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: fmt.Errorf("open content: %w", err)}
	}
	defer func() { _ = body.Close() }() // only read; a failure to close loses nothing
	sum, failed := check(key, body, c)
	if failed != nil {
		return failed
	}
	ctx, p := withProgress(ctx)
	if err := b.upload(ctx, cancel, key, body, sum, c); err != nil {
		return b.classify(call{op: "put", key: key, action: "storage.objects.create", conditional: !c.Overwrite}, err, p)
	}
	return nil
}

func (b *Bucket) upload(ctx context.Context, cancel func(), key string, body io.Reader, sum uint32, c objstore.Content) error {
	object := b.bucket.Object(key)
	if !c.Overwrite {
		object = object.If(storage.Conditions{DoesNotExist: true})
	}
	w := object.NewWriter(ctx)
	w.ChunkSize = 0 // one request
	w.ContentType, w.ContentEncoding, w.Metadata = c.ContentType, c.Encoding, c.Metadata
	w.CRC32C, w.SendCRC32C = sum, true
	if _, err := io.Copy(w, body); err != nil {
		// Closing would finish the upload: the request must be dead first.
		cancel()
		return errors.Join(err, w.Close())
	}
	return w.Close()
}

// check reads the content once and leaves the reader at its first byte.
func check(key string, body io.ReadSeeker, c objstore.Content) (crc32c uint32, failed error) {
	ieee, castagnoli := crc32.NewIEEE(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	n, err := io.Copy(io.MultiWriter(ieee, castagnoli), io.LimitReader(body, c.Size+1))
	if err == nil {
		_, err = body.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: fmt.Errorf("read content: %w", err)}
	}
	if n != c.Size || ieee.Sum32() != c.CRC32 {
		return 0, &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.Damaged,
			Err: fmt.Errorf("the content has %d bytes with CRC-32 %08x, %d with %08x were announced", n, ieee.Sum32(), c.Size, c.CRC32)}
	}
	return castagnoli.Sum32(), nil
}
