package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/sr"

	"strm/internal/problem"
	"strm/internal/record"
)

// Limits of what a registry may make us hold.
const (
	maxAnswer     = 4 << 20 // bytes of one answer
	maxReferences = 256     // schemas that one schema is made of
)

// schema is what is known of an id.
type schema struct {
	id      uint32
	avro    *node // nil for JSON Schema
	refused error // why no value of this schema can be read
	size    int   // bytes of its text, references included
}

// answer is what a registry says of a schema.
type answer struct {
	Schema     string `json:"schema"`
	SchemaType string `json:"schemaType"`
	References []struct {
		Name    string `json:"name"`
		Subject string `json:"subject"`
		Version int    `json:"version"`
	} `json:"references"`
}

// fetch asks the registry for a schema and what it refers to.
func (r *Registry) fetch(ctx context.Context, id uint32) (*schema, error) {
	what := fmt.Sprintf("schema %d", id)
	a, err := r.ask(ctx, fmt.Sprintf("/schemas/ids/%d", id), what)
	if err != nil {
		return nil, err
	}
	s := &schema{id: id, size: len(a.Schema)}
	switch strings.ToUpper(a.SchemaType) {
	case "", "AVRO":
	case "JSON":
		return s, nil // payloads are JSON; whoever wrote them has held them to the schema
	default:
		s.refused = record.Invalid("schema %d is of type %.40q: strm reads Avro and JSON Schema", id, a.SchemaType)
		return s, nil
	}
	c := collector{registry: r, names: &avro.SchemaCache{}, seen: map[string]bool{}}
	if err := c.collect(ctx, what, a); err != nil {
		if problem.KindOf(err) == problem.Corrupt {
			s.refused = err
			return s, nil
		}
		return nil, err
	}
	s.size = c.size
	parsed, err := parse(a.Schema, c.names)
	if err == nil {
		s.avro, err = compile(parsed)
	}
	if err != nil {
		s.refused = record.Invalid("schema %d cannot be read: %w", id, err)
	}
	return s, nil
}

// collector gathers the named types that a schema refers to.
type collector struct {
	registry *Registry
	names    *avro.SchemaCache
	seen     map[string]bool
	size     int
}

// collect parses the references of a, each after its own.
func (c *collector) collect(ctx context.Context, what string, a answer) error {
	c.size += len(a.Schema)
	for _, ref := range a.References {
		at := fmt.Sprintf("/subjects/%s/versions/%d", url.PathEscape(ref.Subject), ref.Version)
		if c.seen[at] {
			continue
		}
		if c.seen[at] = true; len(c.seen) > maxReferences {
			return record.Invalid("%s refers to more than %d others", what, maxReferences)
		}
		name := fmt.Sprintf("%s version %d, to which %s refers", ref.Subject, ref.Version, what)
		// A version that was deleted softly still reads what was written with it.
		got, err := c.registry.ask(sr.WithParams(ctx, sr.ShowDeleted), at, name)
		if err != nil {
			return err
		}
		if err := c.collect(ctx, name, got); err != nil {
			return err
		}
		if _, err := parse(got.Schema, c.names); err != nil {
			return record.Invalid("%s: %w", name, err)
		}
	}
	return nil
}

// parse reads an Avro schema. The parser is not ours: what makes it panic is a
// schema that cannot be read.
func parse(text string, names *avro.SchemaCache) (s avro.Schema, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the Avro schema is malformed: %v", p)
		}
	}()
	return avro.ParseWithCache(text, "", names)
}

// ask gets one answer.
func (r *Registry) ask(ctx context.Context, path, what string) (answer, error) {
	var a answer
	err := r.client.Do(ctx, http.MethodGet, path, nil, &a)
	if err == nil {
		if a.Schema == "" {
			return a, problem.New(problem.Unavailable, "schema registry: the answer about %s holds no schema: is this the address of a schema registry?", what)
		}
		return a, nil
	}
	var no *sr.ResponseError
	switch {
	case ctx.Err() != nil:
		return a, fmt.Errorf("schema registry: %s: %w", what, ctx.Err())
	case !errors.As(err, &no):
		return a, problem.New(problem.Unavailable, "the schema registry does not answer: %s", err.Error()) // a time limit of ours is not the caller's
	case no.StatusCode == http.StatusNotFound && sr.IsNotFoundError(no.ErrorCode):
		// Not an invalid value, which could be left out: somebody may still restore the
		// registry, and what becomes of a value must not depend on when.
		return a, problem.New(problem.Unavailable, "the schema registry knows no %s: %.200s", what, no.Error())
	case no.StatusCode == http.StatusNotFound:
		return a, problem.New(problem.Unavailable, "schema registry: 404 for %s: is the path of its address right?", what)
	case no.StatusCode == http.StatusUnauthorized || no.StatusCode == http.StatusForbidden:
		return a, problem.New(problem.Unavailable, "the schema registry refuses to show %s (%d): check the user in its address and STRM_SCHEMA_REGISTRY_PASSWORD", what, no.StatusCode)
	}
	return a, problem.New(problem.Unavailable, "schema registry: %s: %d: %.200s", what, no.StatusCode, no.Error())
}

// bounded keeps answers from growing without end.
type bounded struct{ http.RoundTripper }

// RoundTrip cuts the answer's body at maxAnswer with an error.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		res.Body = &limited{ReadCloser: res.Body, left: maxAnswer}
	}
	return res, err
}

type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}
