package s3

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"strm/internal/awsauth"
	"strm/internal/objstore"
)

// Open implements objstore.Reader. Needs s3:GetObject. The context must live
// as long as the reader.
func (b *Bucket) Open(ctx context.Context, key string) (io.ReadCloser, objstore.Info, error) {
	return b.get(ctx, call{op: "get", key: key, action: "s3:GetObject"}, &awss3.GetObjectInput{Bucket: &b.cfg.Bucket, Key: &key})
}

// OpenVersion implements objstore.Versions: a GetObject with the version id, or
// with If-Match. Stores that do not know that condition are seen through by the
// ETag of their answer. Needs s3:GetObjectVersion with a version id, s3:GetObject without.
func (b *Bucket) OpenVersion(ctx context.Context, key, versionID, etag string) (io.ReadCloser, objstore.Info, error) {
	in := &awss3.GetObjectInput{Bucket: &b.cfg.Bucket, Key: &key}
	c := call{op: "get", key: key, action: "s3:GetObject"}
	switch {
	case versionID != "":
		in.VersionId, c.action = &versionID, "s3:GetObjectVersion"
	case etag != "":
		in.IfMatch = aws.String(`"` + objstore.BareETag(etag) + `"`)
		c.matching = true
	}
	body, info, err := b.get(ctx, c, in)
	if err != nil {
		return nil, info, err
	}
	if versionID != "" && info.VersionID == versionID {
		return body, info, nil
	}
	if versionID != "" && info.VersionID == "" && etag != "" {
		info.VersionID = versionID // a store without versions says none, and sends what it has: the ETag must tell
	}
	return objstore.AsVersion(key, versionID, etag, body, info, nil)
}

func (b *Bucket) get(ctx context.Context, c call, in *awss3.GetObjectInput) (io.ReadCloser, objstore.Info, error) {
	region, err := b.Region(ctx)
	if err != nil {
		return nil, objstore.Info{}, err
	}
	ctx, p := awsauth.WithProgress(ctx)
	out, err := b.client.GetObject(ctx, in, inRegion(region))
	if err != nil {
		return nil, objstore.Info{}, b.classify(c, err, p)
	}
	return out.Body, objstore.Info{
		Key:       c.key,
		VersionID: version(out.VersionId),
		Size:      aws.ToInt64(out.ContentLength),
		ETag:      aws.ToString(out.ETag),
		Modified:  aws.ToTime(out.LastModified),
		Metadata:  out.Metadata,
	}, nil
}

// version is the version id of an answer. All that is stored while versioning is
// off or suspended is called "null": that identifies nothing.
func version(id *string) string {
	if v := aws.ToString(id); v != "null" {
		return v
	}
	return ""
}

// Stat implements objstore.Stater: one HeadObject. Needs s3:GetObject.
func (b *Bucket) Stat(ctx context.Context, key string) (objstore.Info, error) {
	region, err := b.Region(ctx)
	if err != nil {
		return objstore.Info{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit(0), errors.New("the store took too long"))
	defer cancel()
	ctx, p := awsauth.WithProgress(ctx)
	out, err := b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &b.cfg.Bucket, Key: &key}, inRegion(region))
	if err != nil {
		return objstore.Info{}, b.classify(call{op: "get", key: key, action: "s3:GetObject"}, err, p)
	}
	return objstore.Info{
		Key:       key,
		VersionID: version(out.VersionId),
		Size:      aws.ToInt64(out.ContentLength),
		ETag:      aws.ToString(out.ETag),
		Modified:  aws.ToTime(out.LastModified),
		Metadata:  out.Metadata,
	}, nil
}

// Delete implements objstore.Deleter: one DeleteObject. Needs s3:DeleteObject.
// In a bucket with versions the object's bytes stay, behind a delete marker.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	region, err := b.Region(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeLimit(0), errors.New("the store took too long"))
	defer cancel()
	ctx, p := awsauth.WithProgress(ctx)
	_, err = b.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &b.cfg.Bucket, Key: &key}, inRegion(region))
	if err != nil {
		e := b.classify(call{op: "delete", key: key, action: "s3:DeleteObject"}, err, p)
		if e.Reason == objstore.NoObject {
			return nil
		}
		return e
	}
	return nil
}

// List implements objstore.Lister, a page of up to 1000 at a time. Needs
// s3:ListBucket.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		region, err := b.Region(ctx)
		if err != nil {
			yield(objstore.Info{}, err)
			return
		}
		pages := awss3.NewListObjectsV2Paginator(b.client,
			&awss3.ListObjectsV2Input{Bucket: &b.cfg.Bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			ctx, p := awsauth.WithProgress(ctx)
			page, err := pages.NextPage(ctx, inRegion(region))
			if err != nil {
				e := b.classify(call{op: "list", action: "s3:ListBucket"}, err, p)
				yield(objstore.Info{}, e)
				return
			}
			if !yieldPage(page.Contents, yield) {
				return
			}
		}
	}
}

func yieldPage(objects []types.Object, yield func(objstore.Info, error) bool) bool {
	for _, o := range objects {
		info := objstore.Info{
			Key:      aws.ToString(o.Key),
			Size:     aws.ToInt64(o.Size),
			ETag:     aws.ToString(o.ETag),
			Modified: aws.ToTime(o.LastModified),
		}
		if !yield(info, nil) {
			return false
		}
	}
	return true
}
