package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"strm/internal/awsauth"
	"strm/internal/objstore"
)

const regionHeader = "X-Amz-Bucket-Region"

// region remembers where the bucket lives. The channel is a lock that gives up
// with a context: one caller asks, the others wait for its answer.
type region struct {
	lock  chan struct{} // holds one token
	name  string        // owned by who holds the token
	fixed bool          // given by the user
}

func newRegion(explicit string) region {
	r := region{lock: make(chan struct{}, 1), name: explicit, fixed: explicit != ""}
	r.lock <- struct{}{}
	return r
}

// Region implements objstore.Locator: the configured region; else what the
// answer to HeadBucket says, be it a refusal; else GetBucketLocation; else, for
// an endpoint other than AWS, us-east-1. What was found is remembered, a
// failure is not.
func (b *Bucket) Region(ctx context.Context) (string, error) {
	select {
	case <-b.region.lock:
	case <-ctx.Done():
		return "", &objstore.Error{Op: "locate", Outcome: objstore.NotSent, Err: context.Cause(ctx)}
	}
	defer func() { b.region.lock <- struct{}{} }()
	if b.region.name != "" {
		return b.region.name, nil
	}
	name, err := b.locate(ctx)
	if err != nil {
		return "", err
	}
	b.region.name = name
	return name, nil
}

// relocate answers a store that said "not this region". It reports whether
// another region was found that is worth a second attempt.
func (b *Bucket) relocate(ctx context.Context, used string, refused *objstore.Error) (string, bool) {
	if b.region.fixed {
		refused.Err = fmt.Errorf("the sink says region %s: correct it, or leave it out to have it found (%w)", used, refused.Err)
		return "", false
	}
	select {
	case <-b.region.lock:
	case <-ctx.Done():
		return "", false
	}
	defer func() { b.region.lock <- struct{}{} }()
	if b.region.name != used {
		return b.region.name, true // another call was quicker
	}
	name := regionTold(refused)
	if name == "" {
		found, err := b.locate(ctx)
		if err != nil {
			refused.Err = fmt.Errorf("%w; asking for the region: %w", refused.Err, err)
			return "", false
		}
		name = found
	}
	if name == used {
		return "", false
	}
	b.region.name = name
	return name, true
}

func (b *Bucket) locate(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, locateTimeout, errors.New("the store took too long"))
	defer cancel()
	c := call{op: "locate", action: "s3:ListBucket"}
	traced, p := awsauth.WithProgress(ctx)
	out, err := b.client.HeadBucket(traced, &awss3.HeadBucketInput{Bucket: &b.cfg.Bucket}, inRegion(anyRegion))
	if err == nil {
		if name := aws.ToString(out.BucketRegion); name != "" {
			return name, nil
		}
	} else {
		if name := regionTold(err); name != "" {
			return name, nil
		}
		e := b.classify(c, err, p)
		switch {
		case e.Outcome == objstore.NotSent, e.Status == 0, e.Reason == objstore.NoBucket, e.Reason == objstore.ClockSkew:
			return "", e
		case e.Outcome == objstore.Ambiguous && e.Status != http.StatusNotImplemented:
			return "", e // the store is busy or broken: ask again later
		}
	}
	c.action = "s3:GetBucketLocation"
	traced, p = awsauth.WithProgress(ctx)
	loc, err := b.client.GetBucketLocation(traced, &awss3.GetBucketLocationInput{Bucket: &b.cfg.Bucket}, inRegion(anyRegion))
	switch {
	case err == nil:
		return regionOf(string(loc.LocationConstraint)), nil
	case regionTold(err) != "":
		return regionTold(err), nil
	case b.cfg.Endpoint != "":
		// A store that keeps its region to itself: the usual one. The PutObject
		// that follows tells if the credentials are the real trouble.
		return anyRegion, nil
	}
	e := b.classify(c, err, p)
	e.Err = fmt.Errorf("the region of the bucket cannot be found; name it with --region (%w)", e.Err)
	return "", e
}

// regionOf translates the answer of GetBucketLocation.
func regionOf(constraint string) string {
	switch constraint {
	case "":
		return anyRegion
	case "EU":
		return "eu-west-1"
	}
	return constraint
}

// expected finds the region in the words of AuthorizationHeaderMalformed. Some
// stores (versitygw) name it nowhere else.
var expected = regexp.MustCompile(`expecting ['"]([a-z0-9-]{1,40})['"]`)

// regionTold returns the region that an answer names by the way, or "".
func regionTold(err error) string {
	var re *awshttp.ResponseError
	if errors.As(err, &re) && re.Response != nil && re.Response.Response != nil {
		if name := re.Response.Header.Get(regionHeader); name != "" {
			return name
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if m := expected.FindStringSubmatch(api.ErrorMessage()); m != nil {
			return m[1]
		}
	}
	return ""
}
