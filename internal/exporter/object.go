package exporter

import (
	"context"
	"errors"
	"io"

	"strm/internal/objstore"
	"strm/internal/problem"
)

// Object opens what an exporter has stored under a key, as it is in the bucket
// of the exporter's present sink, and says how many bytes the store says it has.
// Only keys of the ledger are looked for; whether it is what the ledger says, the
// caller must compare. The caller closes the reader; ctx must live as long.
// Errors: NotFound; Forbidden with the permission that the sink's credentials
// lack; Conflict where the sink cannot be read as it is set up; Unavailable.
func (r *Runner) Object(ctx context.Context, exporterID, key string) (io.ReadCloser, int64, error) {
	fail := func(err error) (io.ReadCloser, int64, error) { return nil, 0, err }
	e, err := r.catalog.Exporter(ctx, exporterID)
	if err != nil {
		return fail(err)
	}
	sink, err := r.sinks.get(ctx, e.Sink)
	if err != nil {
		return fail(err)
	}
	stored, err := r.catalog.StoredObject(ctx, exporterID, sink.Place(), key)
	if err != nil {
		return fail(err)
	}
	if stored.Empty() {
		return fail(problem.New(problem.NotFound, "%s turned out to hold no event and was not put", key))
	}
	bucket, ok := sink.bucket.(objstore.Reader)
	if !ok {
		return fail(problem.New(problem.Conflict, "sink %s cannot be read", sink.Name))
	}
	body, info, err := bucket.Open(ctx, key)
	if err != nil {
		return fail(unread(sink.Name, err))
	}
	return body, info.Size, nil
}

// unread gives a failure to read the kind that tells what to do about it.
func unread(sink string, err error) error {
	var e *objstore.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Reason {
	case objstore.NoObject:
		return problem.New(problem.NotFound, "%s: %w", missing, err)
	case objstore.Denied:
		return problem.New(problem.Forbidden, "the credentials of sink %s do not permit reading (needs %s): %w", sink, action(e), err)
	case objstore.BadCredentials, objstore.NoBucket, objstore.WrongRegion, objstore.BadKey, objstore.BadRequest:
		return problem.New(problem.Conflict, "sink %s: %w", sink, err)
	case objstore.Unknown, objstore.Replaced, objstore.NoConditions, objstore.Contended, objstore.Throttled, objstore.Damaged, objstore.ClockSkew,
		objstore.Unreachable, objstore.NoSpace:
	}
	return problem.New(problem.Unavailable, "sink %s: %w", sink, err)
}
