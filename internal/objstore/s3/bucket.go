package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"strm/internal/awsauth"
	"strm/internal/objstore"
)

// Bucket is a bucket of an S3 store. Safe for concurrent use. It keeps one SDK
// client for its life, because the correction of a wrong clock lives there.
type Bucket struct {
	cfg      Config
	client   *awss3.Client
	identity *awsauth.Identity
	region   region
	session  *awsauth.Session // of the assumed role; nil without one
}

// Open checks the configuration and returns the bucket. Nothing is sent: that
// a store can be reached shows at the first call. (Ambient credentials may read
// files.) Close releases idle connections.
func Open(ctx context.Context, cfg Config) (*Bucket, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	id, err := cfg.identity().Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	return &Bucket{cfg: cfg, identity: id, session: id.Session, region: newRegion(cfg.Region), client: awss3.New(cfg.options(id))}, nil
}

// Close releases idle connections. Calls under way are not disturbed.
func (b *Bucket) Close() error {
	b.identity.CloseIdle()
	return nil
}

// Create implements objstore.Bucket: one PutObject, and a second one only after
// the store refused the first because of the region, or because it no longer
// takes the credentials of the assumed role; then nothing was stored. What if ...
//
//   - the request is lost: NotSent before a connection, Ambiguous after;
//   - the answer is lost, the caller gives up, time runs out: Ambiguous;
//   - the process dies: the caller's ledger holds the attempt, so that the 412
//     of the next one is recognised;
//   - it runs twice: the second run gets Exists.
func (b *Bucket) Create(ctx context.Context, key string, c objstore.Content) error {
	if err := objstore.CheckKey(key); err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Rejected, Reason: objstore.BadKey, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit(c.Size), errors.New("the store took too long"))
	defer cancel()
	region, err := b.Region(ctx)
	if err != nil {
		// Looking for the region stores nothing, whatever became of it.
		e := *objstore.AsError(err)
		e.Key = key
		if e.Outcome == objstore.Ambiguous {
			e.Outcome = objstore.NotSent
		}
		return &e
	}
	began := time.Now()
	failed := b.put(ctx, region, key, c, b.cfg)
	if failed != nil && failed.Reason == objstore.WrongRegion {
		if other, ok := b.relocate(ctx, region, failed); ok {
			region = other
			failed = b.put(ctx, region, key, c, b.cfg)
		}
	}
	if failed != nil && b.renew(failed, began) {
		failed = b.put(ctx, region, key, c, b.cfg)
	}
	if failed != nil {
		return failed
	}
	return nil
}

// renew drops the session of the assumed role if a store that refuses the
// request may do so because of it, and reports whether another session is worth
// a second attempt at once.
func (b *Bucket) renew(refused *objstore.Error, began time.Time) bool {
	if b.session == nil || refused.Outcome != objstore.Rejected {
		return false
	}
	if refused.Reason == objstore.BadCredentials {
		return b.session.Drop(began, false)
	}
	if refused.Reason == objstore.Denied {
		// Sessions can be denied by their age, and when their role is gone: then
		// the second attempt tells the reason.
		return b.session.Drop(began, true)
	}
	return false
}

func timeLimit(size int64) time.Duration {
	return requestBase + time.Duration(max(size, 0)/slowestBytesPer)*time.Second
}

// put makes one attempt, encrypted as a configuration says.
func (b *Bucket) put(ctx context.Context, region, key string, c objstore.Content, as Config) *objstore.Error {
	body, err := c.Open()
	if err != nil {
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.NotSent, Err: fmt.Errorf("open content: %w", err)}
	}
	// The content has been read or is given up when Create returns; a failure
	// to close what was only read changes nothing for the store.
	defer func() { _ = body.Close() }()

	in := &awss3.PutObjectInput{
		Bucket:        &b.cfg.Bucket,
		Key:           &key,
		Body:          body,
		ContentLength: &c.Size,
		ChecksumCRC32: aws.String(crcHeader(c.CRC32)),
		Metadata:      c.Metadata,
	}
	if c.ContentType != "" {
		in.ContentType = &c.ContentType
	}
	if c.Encoding != "" {
		in.ContentEncoding = &c.Encoding
	}
	if !c.Overwrite {
		in.IfNoneMatch = aws.String("*")
	}
	as.encrypt(in, c.Encrypt)
	ctx, p := awsauth.WithProgress(ctx)
	out, err := b.client.PutObject(ctx, in, inRegion(region), unsignedPayload)
	if err != nil {
		return b.classify(call{op: "put", key: key, action: "s3:PutObject", conditional: !c.Overwrite, encryption: in.ServerSideEncryption}, err, p)
	}
	if aws.ToString(out.ETag) == "" {
		// Every S3 store names an ETag. A proxy's or a web server's 200 is no
		// promise that anything is stored.
		return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Ambiguous, Status: http.StatusOK,
			Err: errors.New("the answer has no ETag: is the endpoint an S3 store?")}
	}
	return nil
}

// crcHeader is the value of x-amz-checksum-crc32.
func crcHeader(crc uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
}

func inRegion(region string) func(*awss3.Options) {
	return func(o *awss3.Options) { o.Region = region }
}

// unsignedPayload keeps the SDK from hashing the body with SHA-256 over plain
// HTTP; the CRC-32 header, which is signed, guards the bytes.
func unsignedPayload(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}
