package airbyte

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strm/internal/airbyte/config"
	"strm/internal/airbyte/protocol"
	"strm/internal/objstore"
)

// testName is the name of the object that tests a connection. Without the
// permission to delete it stays, and is written over each time.
const testName = "_strm_connection_test"

// Check tests what writing needs, and what overwriting needs if the
// configuration says so, and answers with exactly one CONNECTION_STATUS. The
// error is one of out alone: a failed check is an answer.
func Check(ctx context.Context, text []byte, open Opener, out *protocol.Writer) error {
	cfg, err := config.Parse(text)
	if err != nil {
		return out.Connection(err)
	}
	for _, warning := range cfg.Warnings {
		out.Log(protocol.Warn, "%s", warning)
	}
	deps, err := open(ctx, cfg)
	if err != nil {
		return out.Connection(err)
	}
	if _, err = deps.Format.Variant(cfg.Output); err == nil {
		err = probe(ctx, deps.Bucket, cfg, cfg.CheckOverwrite, out)
	}
	return errors.Join(out.Connection(err), deps.close())
}

// root returns the directory of all keys: the path up to its first variable.
func root(path string) string {
	if at := strings.Index(path, "${"); at >= 0 {
		path = path[:strings.LastIndexByte(path[:at], '/')+1]
	}
	if path = strings.Trim(path, "/"); path != "" {
		path += "/"
	}
	return path
}

// probe writes a test object, with the marks that objects have, and, for
// overwriting, lists, describes and deletes it.
func probe(ctx context.Context, b objstore.Bucket, cfg *config.Config, overwrite bool, out *protocol.Writer) error {
	key := root(cfg.Path) + testName
	if overwrite {
		key += "_" + uuid() // it can be deleted, and another test may run
	}
	c := objstore.Bytes([]byte("strm\n"))
	c.ContentType = "text/plain"
	c.Metadata = map[string]string{markDestination: cfg.ID, markObject: uuid()}
	c.Overwrite = true
	if err := b.Create(ctx, key, c); err != nil {
		if d, ok := b.(objstore.Deleter); ok && overwrite && objstore.AsError(err).Outcome == objstore.Ambiguous {
			_ = d.Delete(ctx, key) // it may be there; if not even that is possible, it stays
		}
		return step(err, cfg)
	}
	// Stores that do not know conditions could let two writers take one name.
	c.Overwrite = false
	err := b.Create(ctx, key, c)
	if e := objstore.AsError(err); err == nil || e.Reason == objstore.NoConditions {
		out.Log(protocol.Warn, "this store has no conditional writes (If-None-Match): two syncs at once with the same names could replace each other's files; keep ${EPOCH} or ${UUID} in the path format")
	}
	if !overwrite {
		return nil
	}
	l, err := listed(b)
	if err != nil {
		return err
	}
	if err := probeRest(ctx, l, key, c.Metadata[markObject], cfg); err != nil {
		_ = l.Delete(ctx, key) // if even that is not permitted, it stays
		return err
	}
	return nil
}

// probeRest goes on with a test object that was written.
func probeRest(ctx context.Context, l listedBucket, key, id string, cfg *config.Config) error {
	seen := false
	for info, err := range l.List(ctx, key) {
		if err != nil {
			return step(err, cfg)
		}
		seen = seen || info.Key == key
	}
	if !seen {
		return fmt.Errorf("list: %s was written but is not listed: is the endpoint a cache?", key)
	}
	info, err := l.Stat(ctx, key)
	if err != nil {
		return step(err, cfg)
	}
	if info.Metadata[markObject] != id {
		return errors.New("read: the store does not keep metadata, without which an overwriting sync cannot tell its own objects; use append")
	}
	if err := l.Delete(ctx, key); err != nil {
		return step(err, cfg)
	}
	return nil
}

// step says which step of the test failed, and how to mend it.
func step(err error, cfg *config.Config) error {
	e := objstore.AsError(err)
	name, advice := e.Op, ""
	switch e.Reason {
	case objstore.BadCredentials:
		name, advice = "credentials", "check access_key_id and secret_access_key, or the environment's credentials"
		if cfg.RoleARN != "" {
			name, advice = "role", "check role_arn, its trust policy and its external id, and the environment's credentials"
		}
	case objstore.NoBucket:
		name, advice = "bucket", "check s3_bucket_name and s3_endpoint"
	case objstore.WrongRegion:
		name, advice = "region", "check s3_bucket_region, or leave it empty"
	case objstore.Unreachable:
		name, advice = "endpoint", "check s3_endpoint and the network"
	case objstore.Denied:
		if strings.HasPrefix(e.Action, "sts:") {
			return fmt.Errorf("role: %w; the external id is external_id, or AWS_ASSUME_ROLE_EXTERNAL_ID in the environment", err)
		}
		advice = "let the policy allow it on the bucket and on what is below its path"
	case objstore.ClockSkew:
		advice = "set the clock of this machine"
	case objstore.Unknown, objstore.NoObject, objstore.Replaced, objstore.BadKey, objstore.BadRequest, objstore.NoConditions,
		objstore.Contended, objstore.Throttled, objstore.Damaged, objstore.NoSpace:
	}
	if advice != "" {
		return fmt.Errorf("%s: %w; %s", name, err, advice)
	}
	return fmt.Errorf("%s: %w", name, err)
}
