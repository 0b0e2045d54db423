package control

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"

	"strm/internal/credential"
	"strm/internal/problem"
	"strm/internal/stream"
)

// ShapeNone is the shape of a sink that needs no credentials.
const ShapeNone = "none"

// NewSink says what sink to create, or what an existing one becomes.
type NewSink struct {
	Name        string
	Type        string // a stream.SinkType in any case, or empty: as the credentials say
	Bucket      string // BUCKET or BUCKET/prefix; a directory for DIR
	Credentials string // the file, verbatim; empty for ambient
	Endpoint    string
	Region      string
	PathStyle   bool
	Role        stream.Role
	Encryption  string // none, SSE-S3 or SSE-KMS, in any case, AES256 and aws:kms too; empty: as the layout says
	KMSKey      string

	// KeepCredentials leaves an existing sink those it has, as long as they go
	// to the same service.
	KeepCredentials bool
}

// PutSink creates a sink, or makes an existing one what n says (all of it:
// what n leaves out is gone). It returns the sink, whether it is new, and a
// warning or "". Errors: Invalid; Conflict if n points to another bucket while
// batches wait for the present one.
//
// The sink is then tried as TestSink does; it is stored whatever that says, and
// the sink that is returned carries it as its health. Where it cannot be tried
// its health stays unknown.
//
// The catalog is one write; a put whose answer was lost may be repeated.
// Stopped before the runner hears of it, exporters go on with the old
// settings until the process ends, and start with the new ones.
func (c *Control) PutSink(ctx context.Context, n NewSink) (sink stream.Sink, created bool, warning string, err error) {
	if err := stream.CheckName("sink", n.Name); err != nil {
		return stream.Sink{}, false, "", err
	}
	s, warning, err := c.describeSink(n)
	if err != nil {
		return stream.Sink{}, false, "", err
	}
	if n.Credentials != "" {
		if s.Credentials, err = c.sealer.Seal([]byte(n.Credentials), SinkSecret(n.Name)); err != nil {
			return stream.Sink{}, false, "", err
		}
	}
	stored, created, moved, err := c.putSinkRow(ctx, s, n.KeepCredentials)
	done, cancel := c.finishing(ctx)
	defer cancel()
	if err == nil || mayHaveHappened(err) {
		c.runner.SinkChanged(done, s.Name) // it reads the catalog, so it errs on no side
		c.wakeImporters()
	}
	if err != nil {
		return stream.Sink{}, false, "", err
	}
	if tested, err := c.testSink(ctx, stored, ""); err == nil {
		stored = tested
	} // else its health is unknown, as it says; that the sink is stored stays true
	return stored, created, joinWarnings(warning, moved), nil
}

// putSinkRow stores s. moved says what becomes of the sink's exporters if they
// write to another place from now on.
func (c *Control) putSinkRow(ctx context.Context, s stream.Sink, keep bool) (stored stream.Sink, created bool, moved string, err error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return stream.Sink{}, false, "", err
	}
	defer unlock()
	old, err := c.catalog.Sink(ctx, s.Name)
	if problem.KindOf(err) == problem.NotFound && !keep {
		stored, created, err = c.catalog.PutSink(ctx, s)
		return stored, created, "", err
	}
	if err != nil {
		return stream.Sink{}, false, "", err
	}
	if plainEndpoint(old.Endpoint) == s.Endpoint {
		s.Endpoint = old.Endpoint // as it was written by a release that took it as it came: it is part of the place
	}
	if keep {
		if s, err = keepCredentials(s, old); err != nil {
			return stream.Sink{}, false, "", err
		}
	}
	if old.Prefix != s.Prefix {
		if err := c.keysFit(ctx, s); err != nil {
			return stream.Sink{}, false, "", err
		}
	}
	switch {
	case old.Type != s.Type || old.Bucket != s.Bucket || old.Endpoint != s.Endpoint:
		moved = "the sink points to another place now: what was delivered before stays where it is, and verify no longer compares it"
	case old.Prefix != s.Prefix:
		moved = "the sink has another prefix now: its exporters write under it from now on; what was delivered or planned before keeps its place"
	}
	if moved != "" {
		users, err := c.catalog.ExportersOfSink(ctx, s.Name)
		if err != nil {
			return stream.Sink{}, false, "", err
		}
		if len(users) == 0 {
			moved = ""
		}
	}
	stored, created, err = c.catalog.PutSink(ctx, s)
	return stored, created, moved, err
}

// keepCredentials gives s the credentials of the sink it replaces. They are
// not sent anywhere they have not been sent before: a token would be of use to
// who gets it.
func keepCredentials(s, old stream.Sink) (stream.Sink, error) {
	if old.Type != s.Type || old.Endpoint != s.Endpoint || old.Role.Endpoint != s.Role.Endpoint {
		if len(old.Credentials) > 0 {
			return s, problem.New(problem.Invalid, "sink %q goes to another service, which needs its credentials anew: give their file, or say that the server's own identity is meant", s.Name)
		}
		return s, nil
	}
	s.Credentials, s.Shape, s.Principal = old.Credentials, old.Shape, old.Principal
	return s, nil
}

// keysFit refuses a prefix below which the keys of the sink's exporters would
// not fit. Planning looks again: a replay's prefix is known only then.
func (c *Control) keysFit(ctx context.Context, s stream.Sink) error {
	users, err := c.catalog.ExportersOfSink(ctx, s.Name)
	if err != nil {
		return err
	}
	for _, e := range users {
		if _, err := c.checkOutput(e.Output, s.Prefix, e.Stream, len(e.Start)); err != nil {
			return problem.New(problem.KindOf(err), "batch exporter %q would not fit below the prefix: %w", e.Name, err)
		}
	}
	return nil
}

// SinkSecret returns the associated data that a sink's credentials are sealed
// with, so that sealed bytes cannot be moved from one sink to another.
func SinkSecret(name string) []byte { return []byte("sink:" + name) }

// describeSink decides what n is. The result lacks its sealed credentials.
func (c *Control) describeSink(n NewSink) (stream.Sink, string, error) {
	t := now()
	s := stream.Sink{
		Name: n.Name, Bucket: n.Bucket, Endpoint: n.Endpoint, Region: n.Region, PathStyle: n.PathStyle,
		Role: n.Role, KMSKey: n.KMSKey, CreatedAt: t, UpdatedAt: t,
	}
	if n.KeepCredentials && n.Credentials != "" {
		return stream.Sink{}, "", problem.New(problem.Invalid, "new credentials are given, and the present ones shall stay: which?")
	}
	typ, err := sinkType(n.Type)
	if err != nil {
		return stream.Sink{}, "", err
	}
	if typ == stream.SinkDir {
		s.Type, s.Shape = stream.SinkDir, ShapeNone
		return s, "", checkDirSink(n)
	}
	var warning string
	if n.Credentials == "" {
		s.Type, s.Shape = typ, string(credential.AmbientAWS)
		if typ == "" {
			s.Type = stream.SinkS3
		}
	} else {
		cred, err := credential.Parse([]byte(n.Credentials), string(typ))
		if err != nil {
			return stream.Sink{}, "", err
		}
		s.Type, s.Shape = stream.SinkType(cred.SinkType), string(cred.Shape)
		s.Principal, warning = cred.Principal(), cred.Warning
		if s.Endpoint == "" {
			s.Endpoint = cred.Endpoint
		}
		if s.Type == stream.SinkS3 && s.Endpoint == "" {
			if err := cred.CheckAWS(); err != nil {
				return stream.Sink{}, "", err
			}
		}
	}
	if err := placeSink(&s, n.Bucket); err != nil {
		return stream.Sink{}, "", err
	}
	if s.Encryption, err = parseEncryption(n.Encryption); err != nil {
		return stream.Sink{}, "", err
	}
	if err := checkAccess(s); err != nil {
		return stream.Sink{}, "", err
	}
	if err := checkEndpoint(s.Endpoint); err != nil {
		return stream.Sink{}, "", err
	}
	s.Endpoint = plainEndpoint(s.Endpoint)
	if len(s.Region) > 64 || strings.ContainsFunc(s.Region, notInToken) {
		return stream.Sink{}, "", problem.New(problem.Invalid, "region %q: use letters, digits and '-'", s.Region)
	}
	return s, warning, nil
}

func sinkType(t string) (stream.SinkType, error) {
	switch strings.ToUpper(t) {
	case "":
		return "", nil
	case string(stream.SinkS3):
		return stream.SinkS3, nil
	case string(stream.SinkGCS), "GCS":
		return stream.SinkGCS, nil
	case string(stream.SinkDir):
		return stream.SinkDir, nil
	}
	return "", problem.New(problem.Invalid, "sink type %q is not known; use S3, GCLOUD or DIR", t)
}

func checkDirSink(n NewSink) error {
	if n.Credentials != "" {
		return problem.New(problem.Invalid, "a DIR sink takes no credentials")
	}
	if n.Endpoint != "" || n.Region != "" || n.PathStyle {
		return problem.New(problem.Invalid, "a DIR sink takes no endpoint, region or path style")
	}
	if n.Role != (stream.Role{}) || n.Encryption != "" || n.KMSKey != "" {
		return problem.New(problem.Invalid, "a DIR sink takes no role or encryption: those are for S3 sinks")
	}
	if !filepath.IsAbs(n.Bucket) || filepath.Clean(n.Bucket) != n.Bucket || strings.ContainsFunc(n.Bucket, isControl) {
		return problem.New(problem.Invalid, "directory %q: give the absolute path, without a trailing slash or '..', as the server sees it", n.Bucket)
	}
	return nil
}

func checkEndpoint(e string) error {
	if e == "" {
		return nil
	}
	u, err := url.Parse(e)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return problem.New(problem.Invalid, "the endpoint must be a URL such as https://s3.example.org")
	}
	// The URL is shown to everybody who may see the sink.
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return problem.New(problem.Invalid, "the endpoint must have no user, password, query or fragment")
	}
	return nil
}

// plainEndpoint writes an endpoint in the one way of several that mean the same,
// because it is a part of the place that sinks of one bucket share.
func plainEndpoint(e string) string {
	u, err := url.Parse(e)
	if err != nil || u.Host == "" {
		return e
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String()
}

func notInToken(r rune) bool {
	alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !alnum && r != '.' && r != '_' && r != '-'
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f || r == 0xfffd }

func joinWarnings(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// Sinks returns all sinks, by name.
func (c *Control) Sinks(ctx context.Context) ([]stream.Sink, error) { return c.catalog.Sinks(ctx) }

// Sink returns a sink.
func (c *Control) Sink(ctx context.Context, name string) (stream.Sink, error) {
	return c.catalog.Sink(ctx, name)
}

// SinkExporters returns the exporters of a sink and how they fare.
func (c *Control) SinkExporters(ctx context.Context, name string) ([]Exporter, error) {
	exporters, err := c.catalog.ExportersOfSink(ctx, name)
	if err != nil {
		return nil, err
	}
	return c.withStatus(ctx, exporters)
}

// DeleteSink deletes a sink. While exporters or importers are linked to it, only
// recursively (else Conflict); they go first, and what waits of the importers is
// given up. What was delivered stays in the bucket.
//
// The catalog is one write. Stopped after it, the process has ended and with
// it the exporters that ran; the next one does not start them. Should the
// runner not let go of an exporter, its batches can no longer be planned or
// saved, and the error says so.
func (c *Control) DeleteSink(ctx context.Context, name string, recursive bool) error {
	exporters, err := c.deleteSinkRow(ctx, name, recursive)
	if err != nil {
		return err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	for _, e := range exporters {
		if err := c.runner.Reload(done, e.ID); err != nil {
			return problem.New(problem.Internal, "sink %q is deleted, but exporter %q still runs: %w", name, e.Name, err)
		}
	}
	return nil
}

func (c *Control) deleteSinkRow(ctx context.Context, name string, recursive bool) ([]stream.Exporter, error) {
	unlock, err := c.change.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	linked, err := c.catalog.ExportersOfSink(ctx, name)
	if err != nil {
		return nil, err
	}
	defer c.namesSource(linked...)
	defer c.wakeImporters()
	_, exporters, err := c.catalog.DeleteSink(ctx, name, recursive)
	if err == nil || !mayHaveHappened(err) {
		return exporters, err
	}
	done, cancel := c.finishing(ctx)
	defer cancel()
	if _, gone := c.catalog.Sink(done, name); isNotFound(gone) {
		return linked, nil
	}
	return nil, err
}
