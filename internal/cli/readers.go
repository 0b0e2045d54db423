package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/builtin"
	"strm/internal/cli/download"
	"strm/internal/credential"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// readers read objects of sinks: through the server, or straight from their
// buckets as the person who asks. Each bucket is opened once.
type readers struct {
	s           *session
	ref         string
	through     bool
	credentials string // a file's text; empty for those of the surroundings

	mu   sync.Mutex // guards held; kept while a sink is looked up
	held map[string]objstore.Bucket
}

func (s *session) readers(cmd *cobra.Command, ref string, f *downloadFlags) (*readers, error) {
	text, err := readCredentials(cmd, f.credentials)
	return &readers{s: s, ref: ref, through: f.through, credentials: text, held: map[string]objstore.Bucket{}}, err
}

// open opens an object.
func (r *readers) open(ctx context.Context, f download.File) (io.ReadCloser, error) {
	if r.through {
		return r.s.Object(ctx, r.ref, f.Key)
	}
	b, err := r.bucket(f.Sink)
	if err != nil {
		return nil, err
	}
	from, ok := b.(objstore.Reader)
	if !ok {
		return nil, problem.New(problem.Conflict, "sink %s cannot be read", f.Sink)
	}
	body, _, err := from.Open(ctx, f.Key)
	return body, err
}

// bucket opens a sink's bucket, for as long as the session lasts.
func (r *readers) bucket(name string) (objstore.Bucket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.held[name]; ok {
		return b, nil
	}
	sink, err := r.s.Sink(r.s.ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := r.reach(sink)
	if err == nil {
		r.held[name] = b
	}
	return b, err
}

// reach opens the bucket of a sink with the person's credentials, never the
// sink's, nor its role.
func (r *readers) reach(s apiv1.Sink) (objstore.Bucket, error) {
	to := stream.Sink{Name: s.Name, Type: stream.SinkType(s.Type), Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, PathStyle: s.PathStyle}
	cred := credential.Ambient()
	switch {
	case to.Type == stream.SinkDir:
		// Opening would make it.
		if _, err := os.Stat(to.Bucket); err != nil {
			return nil, problem.New(problem.NotFound, "sink %s is a directory of the server's machine, which is not here (%w); use --through-server", s.Name, err)
		}
	case r.credentials != "":
		var err error
		if cred, err = credential.Parse([]byte(r.credentials), s.Type); err != nil {
			return nil, err
		}
	}
	return builtin.OpenBucket(r.s.ctx, to, cred, "")
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, b := range r.held {
		if c, ok := b.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
