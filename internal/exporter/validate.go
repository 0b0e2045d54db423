package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"strm/internal/format"
	"strm/internal/layout"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Validate checks that an exporter can write where it is told to, by creating
// an object without events under its prefix, as the STRM seeds describe:
// .strm_test_<uuid>.jsonl, in the directories that all its keys begin with and
// with the extension that it writes, since the permission may be bound to
// either. The name is the exporter's own and stays the same, so there is one
// such object per exporter, not one per start. The error says what is missing;
// where the layout needs conditional writes, that may be those.
func (r *Runner) Validate(ctx context.Context, e stream.Exporter) error {
	_, conditional, err := r.try(ctx, e)
	if err != nil {
		return err
	}
	lay, err := layout.Parse(e.Output.Layout)
	if err == nil && lay.ByMoment() && conditional == stream.SupportNo {
		err = problem.New(problem.Conflict, "sink %s: %s", e.Sink, needConditions(e.Output.Layout))
	}
	return err
}

// try validates e and remembers what that says of its sink. It returns whether
// the store knows conditions.
func (r *Runner) try(ctx context.Context, e stream.Exporter) (stream.Health, stream.Support, error) {
	sink, err := r.sinks.get(ctx, e.Sink)
	if err != nil {
		var o *openError
		err = fmt.Errorf("sink %s: %w", e.Sink, err)
		if errors.As(err, &o) {
			return r.remember(ctx, o.sink, err), stream.SupportUnknown, err
		}
		return stream.Health{}, stream.SupportUnknown, err
	}
	conditional, err := r.tryOpen(ctx, sink, e)
	if err != nil && !objstore.OfStore(err) {
		return stream.Health{}, conditional, err // the exporter's settings, of which the sink knows nothing
	}
	return r.remember(ctx, sink.Sink, err), conditional, err
}

// tryOpen writes the validation object of e.
func (r *Runner) tryOpen(ctx context.Context, sink *openSink, e stream.Exporter) (stream.Support, error) {
	key, c, err := r.testObject(e, sink.Prefix)
	if err != nil {
		return stream.SupportUnknown, err
	}
	conditional, err := probe(ctx, sink, key, c)
	if err != nil {
		out := e.Output
		out.PathPrefix = stream.JoinPrefix(sink.Prefix, out.PathPrefix)
		err = r.diagnose(ctx, sink, e, out, err)
		return conditional, fmt.Errorf("sink %s, bucket %s: %w", sink.Name, sink.Bucket, err)
	}
	if err := r.sinks.learn(ctx, sink, conditional); err != nil {
		// Lost or overtaken: the next start probes again.
		r.logger.Warn("remember what was found of the sink", slog.String("sink", sink.Name), slog.Any("error", err))
	}
	return conditional, nil
}

// testObject returns the validation object of an exporter and its key. sinkPrefix
// comes before the exporter's; empty where that has it already.
func (r *Runner) testObject(e stream.Exporter, sinkPrefix string) (string, objstore.Content, error) {
	lay, err := layout.Parse(e.Output.Layout)
	if err != nil {
		return "", objstore.Content{}, err
	}
	f, err := r.format(e.Output.Format)
	if err != nil {
		return "", objstore.Content{}, err
	}
	v, err := f.Variant(e.Output)
	if err != nil {
		return "", objstore.Content{}, err
	}
	var buf bytes.Buffer
	none := format.Input{Blocks: func() format.Blocks { return func(func(stream.Block, error) bool) {} }}
	if _, err := f.Encode(&buf, e.Output, none); err != nil {
		return "", objstore.Content{}, err
	}
	key := lay.TestKey(layout.Facts{Prefix: stream.JoinPrefix(sinkPrefix, e.Output.PathPrefix), Ext: v.Ext, Compression: v.Compression}, e.TestID)
	c := objstore.Bytes(buf.Bytes())
	present(&c, lay.Form(), v)
	return key, c, nil
}

// probe writes the test object and finds out whether the store refuses to
// overwrite. "Exists" is as good as "stored": the store looked at credentials,
// permission and bucket before it looked at the key.
func probe(ctx context.Context, sink *openSink, key string, c objstore.Content) (stream.Support, error) {
	if sink.Conditional == stream.SupportNo {
		c.Overwrite = true
		return stream.SupportNo, sink.bucket.Create(ctx, key, c)
	}
	for range 2 {
		err := sink.bucket.Create(ctx, key, c)
		var e *objstore.Error
		switch {
		case err == nil && sink.Conditional == stream.SupportYes:
			return stream.SupportYes, nil
		case err == nil:
			continue // ask again: a store with conditions now says "exists"
		case errors.As(err, &e) && e.Outcome == objstore.Exists:
			return stream.SupportYes, nil
		case errors.As(err, &e) && e.Reason == objstore.NoConditions:
			c.Overwrite = true
			return stream.SupportNo, sink.bucket.Create(ctx, key, c)
		default:
			return stream.SupportUnknown, err
		}
	}
	return stream.SupportNo, nil
}
