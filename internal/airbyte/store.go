package airbyte

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"strm/internal/airbyte/protocol"
	"strm/internal/columns"
	"strm/internal/format"
	"strm/internal/objstore"
	"strm/internal/problem"
)

// job is a closed chunk on its way into the bucket.
type job struct {
	chunk *chunk
	id    string // of the object
}

// result is what became of a job.
type result struct {
	job  job
	key  string
	size int64
	lost format.Losses // what is in the records and not in the object
	err  error
}

// store encodes a chunk and creates its object. What if ...
//
//   - the request or its answer is lost: the same bytes are put again under the
//     same key; "exists" is then ours if the object carries this job's id. Where
//     that cannot be read, another key is taken: records twice, none lost;
//   - the key is a foreign object's: it stays as it is, another key is taken;
//   - the process dies: nothing was acknowledged, so the source sends again.
//     An object that was stored stays, with its generation on it.
func (w *writer) store(ctx context.Context, j job) result {
	res := result{job: j}
	path, content, err := w.encode(ctx, j, &res.lost)
	if path != "" {
		defer func() { _ = os.Remove(path) }() // goes with its directory otherwise
	}
	if err != nil {
		res.err = fmt.Errorf("stream %s: %w", j.chunk.stream.catalog.Descriptor, err)
		return res
	}
	content.Metadata = j.chunk.stream.marks(w.cfg.ID, j.id)
	res.size = content.Size
	res.key, res.err = w.put(ctx, j, content)
	return res
}

// encode writes a chunk as a file of the format. A few at a time: it is
// encoding that takes memory.
func (w *writer) encode(ctx context.Context, j job, lost *format.Losses) (path string, c objstore.Content, err error) {
	select {
	case w.encoding <- struct{}{}:
	case <-ctx.Done():
		return "", c, ctx.Err()
	}
	defer func() { <-w.encoding }()
	f, err := os.CreateTemp(w.spool.dir, "object-")
	if err != nil {
		return "", c, fmt.Errorf("spool: %w", err)
	}
	out := &summed{w: f}
	err = w.rows(out, j.chunk, lost)
	if err = errors.Join(err, f.Close()); err != nil {
		return f.Name(), c, err
	}
	v := j.chunk.stream.variant
	return f.Name(), objstore.Content{
		Size: out.n, CRC32: out.crc, ContentType: v.ContentType, Encoding: v.Encoding,
		Open: func() (io.ReadSeekCloser, error) { return os.Open(f.Name()) },
	}, nil
}

func (w *writer) rows(out io.Writer, c *chunk, lost *format.Losses) error {
	s := c.stream
	rows, err := w.deps.Format.Rows(out, s.output, format.Run{SyncID: s.catalog.SyncID, GenerationID: s.gen.number, Losses: lost})
	if err != nil {
		return err
	}
	err = c.frames(func(row format.Row, changes, data []byte) error {
		if row.Changes, err = parseChanges(changes); err != nil {
			return err
		}
		return rows.Append(row, data)
	})
	if err != nil {
		return err
	}
	return rows.Close()
}

// parseChanges reads meta.changes of a record.
func parseChanges(text []byte) ([]columns.Change, error) {
	if len(text) <= len("[]") {
		return nil, nil
	}
	var list []struct{ Field, Change, Reason string }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, problem.New(problem.Invalid, "meta.changes cannot be read: %w", err)
	}
	out := make([]columns.Change, len(list))
	for i, c := range list {
		out[i] = columns.Change(c)
	}
	return out, nil
}

// summed counts and sums what is written.
type summed struct {
	w   io.Writer
	n   int64
	crc uint32
}

// Write implements io.Writer.
func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.n += int64(n)
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p[:n])
	return n, err
}

// put creates the object under a key of its stream, trying again what may mend
// itself for as long as w.deps.GiveUp allows.
func (w *writer) put(ctx context.Context, j job, c objstore.Content) (string, error) {
	s := j.chunk.stream
	key := s.names.next()
	maybe := false // an earlier attempt may have stored it under key
	began, pause, foreign := time.Now(), firstPause, 0
	for {
		err := w.create(ctx, key, c)
		if err == nil {
			return key, nil
		}
		e := objstore.AsError(err)
		switch {
		case e.Outcome == objstore.Exists:
			mine, unsure := false, error(nil)
			if maybe {
				mine, unsure = w.isObject(ctx, key, j.id)
			}
			if mine {
				return key, nil
			}
			if unsure != nil {
				break // ask again, by putting again
			}
			if maybe {
				w.out.Log(protocol.Warn, "whether %s is stored cannot be told (reading it is not permitted, or it is another's): its records are written again under another name", key)
			}
			if foreign++; foreign > mostForeign {
				return "", problem.New(problem.Conflict, "the last %d names tried are all taken; the newest is %s", foreign, key)
			}
			if key, err = s.names.taken(ctx); err != nil {
				return "", err
			}
			maybe = false
			continue
		case e.Reason == objstore.NoConditions:
			w.unconditional.Store(true)
			continue
		case e.Reason.NeedsPerson():
			return "", err
		case e.Outcome == objstore.Ambiguous:
			maybe = true
		}
		if ctx.Err() != nil || w.stopping() || time.Since(began) > w.deps.GiveUp {
			return "", err
		}
		w.out.Log(protocol.Warn, "%v; trying again", err)
		w.sleep(ctx, pause/2+rand.N(pause))
		pause = min(2*pause, longestPause)
	}
}

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 15 * time.Second
	mostForeign  = 10000 // names found taken, one after the other
)

// sleep waits, but not for longer than the run lasts.
func (w *writer) sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-w.stop:
	}
}

// create is one attempt. A store without conditional writes is asked first
// whether the key is free: two writers at once are then not told apart.
func (w *writer) create(ctx context.Context, key string, c objstore.Content) error {
	if w.unconditional.Load() {
		_, err := w.stat(ctx, key)
		if err == nil {
			return &objstore.Error{Op: "put", Key: key, Outcome: objstore.Exists, Err: errors.New("the key is taken")}
		}
		if e := objstore.AsError(err); e.Reason != objstore.NoObject {
			e := *e
			e.Err = fmt.Errorf("the store has no conditional writes, and whether the key is free cannot be read: %w", e.Err)
			return &e
		}
		c.Overwrite = true
	}
	return w.deps.Bucket.Create(ctx, key, c)
}

func (w *writer) stat(ctx context.Context, key string) (objstore.Info, error) {
	s, ok := w.deps.Bucket.(objstore.Stater)
	if !ok {
		return objstore.Info{}, &objstore.Error{Op: "get", Key: key, Outcome: objstore.NotSent, Reason: objstore.BadRequest, Err: errors.New("the store cannot describe objects")}
	}
	return s.Stat(ctx, key)
}

// isObject reports whether the object under key carries this id. An error means
// that it may be worth asking again; what may not be read is not ours to know.
func (w *writer) isObject(ctx context.Context, key, id string) (bool, error) {
	info, err := w.stat(ctx, key)
	if err == nil {
		return info.Metadata[markObject] == id, nil
	}
	if e := objstore.AsError(err); e.Reason.NeedsPerson() {
		return false, nil
	}
	return false, err
}
