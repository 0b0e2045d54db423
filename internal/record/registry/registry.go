// Package registry reads values with the id of a Confluent-compatible schema
// registry in front: Avro and JSON Schema become JSON lines. docs/topics.md says
// what becomes of each Avro type.
//
// A schema never changes under its id, so it is fetched once. What a value
// becomes depends on the value and its schema alone.
package registry

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"strm/internal/problem"
	"strm/internal/record"
)

// Options say which registry to ask, and how.
type Options struct {
	URL      string        // http or https, a user's name in it if one is needed, a path if the API has one
	Password string        // of that user
	TLS      *tls.Config   // for https; nil for the machine's certificates
	Limit    int           // bytes of a line without its '\n'; record.MaxEvent if 0
	Timeout  time.Duration // of one request; 10 s if 0
}

// Registry implements record.Values. It is safe for concurrent use.
type Registry struct {
	client    *sr.Client
	transport *http.Transport
	limit     int
	json      record.JSON
	schemas   cache
	last      atomic.Pointer[schema] // what most values have
}

var _ record.Values = (*Registry)(nil)

// New returns a Registry; it asks nothing yet. Kind Invalid for an address that is
// none. Close releases its connections.
func New(o Options) (*Registry, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		// The error of Parse quotes the address, which may hold a password.
		return nil, problem.New(problem.Invalid, "schema registry: the address is no URL; write https://USER@HOST[:PORT][/PATH]")
	}
	password, inURL := u.User.Password()
	switch {
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, problem.New(problem.Invalid, "schema registry: the address must be http://HOST or https://HOST")
	case inURL && password != "":
		return nil, problem.New(problem.Invalid, "schema registry: leave the password out of the address and give it in STRM_SCHEMA_REGISTRY_PASSWORD")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, problem.New(problem.Invalid, "schema registry: the address must not have a query or a fragment")
	case o.Password != "" && u.User.Username() == "":
		return nil, problem.New(problem.Invalid, "schema registry: a password is given, but the address names no user: https://USER@HOST")
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Limit <= 0 {
		o.Limit = record.MaxEvent
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: o.Timeout}).DialContext,
		TLSClientConfig:     o.TLS,
		TLSHandshakeTimeout: o.Timeout,
		MaxIdleConns:        4,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
	}
	opts := []sr.ClientOpt{
		sr.HTTPClient(&http.Client{Timeout: o.Timeout, Transport: bounded{t}}),
		sr.UserAgent("strm"),
	}
	if user := u.User.Username(); user != "" {
		opts = append(opts, sr.BasicAuth(user, o.Password))
	}
	u.User = nil
	opts = append(opts, sr.URLs(strings.TrimRight(u.String(), "/")))
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, problem.New(problem.Invalid, "schema registry: %w", err)
	}
	return &Registry{client: client, transport: t, limit: o.Limit, json: record.JSON{Limit: o.Limit}}, nil
}

// Close releases idle connections. Nobody may use the Registry any more.
func (r *Registry) Close() { r.transport.CloseIdleConnections() }

// header is the wire format's: a zero byte and the schema's id, big-endian.
const header = 5

// AppendLine implements record.Values.
func (r *Registry) AppendLine(ctx context.Context, dst, value []byte) ([]byte, error) {
	switch {
	case value == nil:
		return dst, record.Tombstone()
	case len(value) < header:
		return dst, record.Invalid("%d bytes are too few for the id of a schema: expected a zero byte, four bytes of the id, and the value", len(value))
	case value[0] != 0:
		return dst, record.Invalid("the value begins with 0x%02x, not with the zero byte and the schema id of a schema registry%s", value[0], hint(value))
	}
	id := binary.BigEndian.Uint32(value[1:])
	s := r.last.Load()
	if s == nil || s.id != id {
		var err error
		if s, err = r.schema(ctx, id); err != nil {
			return dst, err
		}
		r.last.Store(s)
	}
	switch {
	case s.refused != nil:
		return dst, s.refused
	case s.avro == nil:
		out, err := r.json.AppendLine(ctx, dst, value[header:])
		if err != nil {
			return dst, within(err, id)
		}
		return out, nil
	}
	out, err := s.avro.appendLine(dst, value[header:], r.limit)
	if err != nil {
		return dst, within(err, id)
	}
	return out, nil
}

// within says which schema an error about a value speaks of.
func within(err error, id uint32) error {
	return problem.New(problem.KindOf(err), "schema %d: %w", id, err)
}

func hint(value []byte) string {
	if value[0] == '{' {
		return ": JSON without an id needs a stream with --values json"
	}
	return ""
}
