package airbyte

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	crand "crypto/rand"

	"strm/internal/airbyte/config"
	"strm/internal/airbyte/paths"
	"strm/internal/airbyte/protocol"
	"strm/internal/format"
	"strm/internal/objstore"
	"strm/internal/problem"
	str "strm/internal/stream"
)

// Deps is what a configuration comes to.
type Deps struct {
	Bucket objstore.Bucket
	Format format.RowFormat
	Close  func() error // of the bucket; may be nil

	// The rest has defaults.
	Now     func() time.Time
	TempDir string
	Memory  int64         // bytes of records held in memory
	Disk    int64         // bytes of records held in the spool
	Idle    time.Duration // a state waits so long if no more records come
	Tick    time.Duration // how often waiting states are looked at
	GiveUp  time.Duration // how long a store that fails is asked again
	Grace   time.Duration // how long uploads under way may take when stopped
}

// Opener opens what a configuration names. Errors are for people.
type Opener func(ctx context.Context, cfg *config.Config) (*Deps, error)

func (d *Deps) close() error {
	if d.Close == nil {
		return nil
	}
	return d.Close()
}

func (d *Deps) defaults() {
	if d.Now == nil {
		d.Now = time.Now
	}
	for _, b := range []struct {
		v         *int64
		otherwise int64
	}{{&d.Memory, 32 << 20}, {&d.Disk, 8 << 30}} {
		if *b.v == 0 {
			*b.v = b.otherwise
		}
	}
	for _, t := range []struct {
		v         *time.Duration
		otherwise time.Duration
	}{{&d.Idle, 2 * time.Second}, {&d.Tick, 250 * time.Millisecond}, {&d.GiveUp, 5 * time.Minute}, {&d.Grace, 20 * time.Second}} {
		if *t.v == 0 {
			*t.v = t.otherwise
		}
	}
}

// Bounds of what goes on at once.
const (
	workers     = 4
	encoders    = 2
	mostWaiting = 32 << 20 // bytes of states that wait
)

// stream is a stream of the catalog during a run. The loop owns it, but for
// what is set before the workers start, and names.
type stream struct {
	catalog protocol.Stream
	output  str.Output
	variant format.Variant
	names   *namer
	mark    string
	gen     generation

	open       *chunk
	moving     []*chunk // closed, not yet stored
	states     []waiting
	sinceState int64
	status     protocol.StreamStatus
	written    []string
	lost       format.Losses // what the objects do not hold of their records
}

// writer is one run of write.
type writer struct {
	cfg  *config.Config
	deps *Deps
	out  *protocol.Writer

	streams  map[protocol.Descriptor]*stream
	track    tracker
	spool    *spool
	ids      *rand.ChaCha8
	run      string // begins the id of every object
	encoding chan struct{}

	unconditional atomic.Bool
	stop          chan struct{} // closed: no further attempts
	stopOnce      sync.Once

	// The loop's.
	seq       int64 // records so far
	lastCame  time.Time
	sawStatus bool
	notJSON   int64
	cut       int64 // number of the last line, if the input ends inside it
	queue     []job
	running   int
	jobs      int64
	objects   int64
	size      int64
	failed    error
}

// Write carries the messages of in to the bucket until in ends, and writes
// acknowledged states to out. The error has been told as a TRACE ERROR. When ctx
// ends it stops reading, lets uploads under way finish, acknowledges what is
// stored and deletes nothing; the error is then ErrTerminated. A read of in that
// blocks is left behind.
func Write(ctx context.Context, cfgText, catalogText []byte, in io.Reader, open Opener, out *protocol.Writer) error {
	err := write(ctx, cfgText, catalogText, open, out, func(ctx context.Context, w *writer) error { return w.whole(ctx, in) })
	if err != nil && ctx.Err() != nil && !errors.Is(err, ErrTerminated) {
		err = fmt.Errorf("%w: %w", ErrTerminated, err)
	}
	if err != nil {
		return errors.Join(err, out.Error(failureOf(err), err.Error()))
	}
	return nil
}

// Plan tells which objects Write would delete once the catalog's overwriting
// streams were complete, and changes nothing.
func Plan(ctx context.Context, cfgText, catalogText []byte, open Opener, out *protocol.Writer) error {
	err := write(ctx, cfgText, catalogText, open, out, func(ctx context.Context, w *writer) error { return w.plan(ctx) })
	if err != nil {
		return errors.Join(err, out.Error(failureOf(err), err.Error()))
	}
	return nil
}

func write(ctx context.Context, cfgText, catalogText []byte, open Opener, out *protocol.Writer, do func(context.Context, *writer) error) (err error) {
	cfg, err := config.Parse(cfgText)
	if err != nil {
		return err
	}
	catalog, err := protocol.ParseCatalog(catalogText)
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		out.Log(protocol.Warn, "%s", warning)
	}
	deps, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, deps.close()) }()
	deps.defaults()
	w, err := newWriter(cfg, deps, out, catalog)
	if err != nil {
		return err
	}
	return do(ctx, w)
}

func newWriter(cfg *config.Config, deps *Deps, out *protocol.Writer, catalog []protocol.Stream) (*writer, error) {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	w := &writer{
		cfg: cfg, deps: deps, out: out, streams: map[protocol.Descriptor]*stream{}, ids: rand.NewChaCha8(seed),
		run: uuid(), encoding: make(chan struct{}, encoders), stop: make(chan struct{}),
	}
	begin := deps.Now()
	homes := map[string]protocol.Descriptor{}
	for _, c := range catalog {
		s, err := w.newStream(c, begin)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", c.Descriptor, err)
		}
		if c.Deduped {
			out.Log(protocol.Warn, "stream %s: append_dedup is not possible in files; its records are appended, every version of them", c.Descriptor)
		}
		home := s.names.home()
		if other, ok := homes[home]; ok {
			out.Log(protocol.Warn, "the files of streams %s and %s have the same names but for their numbers (%s): none is lost, but readers cannot keep them apart", other, c.Descriptor, home)
		}
		homes[home] = c.Descriptor
		w.streams[c.Descriptor] = s
		w.track.streams = append(w.track.streams, s)
	}
	return w, nil
}

func (w *writer) newStream(c protocol.Stream, begin time.Time) (*stream, error) {
	s := &stream{catalog: c, output: w.cfg.Output, gen: generation{number: c.Generation}}
	if w.cfg.Flat {
		s.output.Table.Schema = string(c.Schema)
	}
	if c.Truncates() && !c.Generations {
		s.gen.own = begin.UnixMilli()
	}
	named := protocol.Descriptor{Namespace: c.Namespace, Name: w.cfg.StreamPrefix + c.Name}
	s.mark = streamMark(named)
	var err error
	if s.variant, err = w.deps.Format.Variant(s.output); err != nil {
		return nil, err
	}
	s.names = newNamer(w.cfg.Paths, w.deps.Bucket, w.deps.Now, paths.Values{
		Namespace: named.Namespace, Stream: named.Name, Sync: begin, SyncID: c.SyncID, Ext: s.variant.Ext,
	})
	return s, s.names.check()
}

// truncates reports whether any stream replaces what is there.
func (w *writer) truncates() bool {
	for _, s := range w.track.streams {
		if s.catalog.Truncates() {
			return true
		}
	}
	return false
}

// whole is a whole sync.
func (w *writer) whole(ctx context.Context, in io.Reader) (err error) {
	if w.truncates() {
		// Better now than after hours of records.
		_, err := patient(ctx, func() (struct{}, error) { return struct{}{}, probe(ctx, w.deps.Bucket, w.cfg, true, w.out) })
		if err != nil {
			return fmt.Errorf("an overwriting sync needs more than appending: %w", err)
		}
		for _, s := range w.track.streams {
			if s.catalog.Truncates() {
				if err := s.names.start(ctx); err != nil {
					return err
				}
			}
		}
	}
	if w.spool, err = openSpool(w.deps.TempDir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.spool.close()) }()
	err = w.loop(ctx, in)
	w.complain()
	if err != nil {
		return err
	}
	return w.finish(ctx)
}

// complain tells what the records hold that the stored objects do not.
func (w *writer) complain() {
	for _, s := range w.track.streams {
		if n := s.lost.Members(); n > 0 {
			w.out.Log(protocol.Warn, "stream %s: %d members of records are in no file, because the stream's schema does not declare them: %s", s.catalog.Descriptor, n, objstore.OneLine(s.lost.Names()))
		}
		if n := s.lost.Nulled; n > 0 {
			w.out.Log(protocol.Warn, "stream %s: %d values do not fit the stream's schema and are null in its files", s.catalog.Descriptor, n)
		}
	}
}

// finish ends a sync whose input has come to its end and is stored: complete
// streams lose their older generations, others make the sync fail.
func (w *writer) finish(ctx context.Context) error {
	incomplete := w.verdict()
	for _, s := range w.track.streams {
		if s.status == protocol.Complete && s.catalog.Truncates() {
			if err := w.truncate(ctx, s); err != nil {
				return errors.Join(incomplete, err)
			}
		}
	}
	if w.notJSON > 0 {
		w.out.Log(protocol.Warn, "%d lines were no JSON objects and were ignored", w.notJSON)
	}
	w.out.Log(protocol.Info, "%d records of %d streams stored in %d objects of %d bytes", w.seq, len(w.streams), w.objects, w.size)
	return incomplete
}

// verdict judges the statuses at the end of the input, and completes streams of
// sources that know none.
func (w *writer) verdict() error {
	if w.cut == 0 && !w.sawStatus && (w.cfg.AssumeComplete || w.appendsOnly()) {
		for _, s := range w.track.streams {
			s.status = protocol.Complete
		}
		return nil
	}
	var missing, broken string
	for _, s := range w.track.streams {
		switch s.status {
		case protocol.Started, protocol.Running:
			missing += ", " + s.catalog.String()
		case protocol.Incomplete:
			broken += ", " + s.catalog.String()
		case protocol.Complete:
		}
	}
	var text string
	if broken != "" {
		text = "the source reports INCOMPLETE for " + broken[2:]
	}
	if missing != "" {
		if text != "" {
			text += "; "
		}
		text += "the input ended without a COMPLETE status for " + missing[2:]
	}
	if w.cut > 0 {
		w.out.Log(protocol.Warn, "the input breaks off in line %d", w.cut)
		if text != "" {
			text = fmt.Sprintf("the input breaks off in line %d, so its source died; ", w.cut) + text
		}
	}
	if text == "" {
		return nil
	}
	return &incompleteError{text + ": what came is stored, and nothing older was deleted for them"}
}

func (w *writer) appendsOnly() bool {
	for _, s := range w.track.streams {
		if s.catalog.Mode != protocol.Append || s.catalog.Truncates() {
			return false
		}
	}
	return true
}

// plan lists what overwriting would delete.
func (w *writer) plan(ctx context.Context) error {
	b, err := listed(w.deps.Bucket)
	if err != nil {
		return err
	}
	n := 0
	for _, s := range w.track.streams {
		if !s.catalog.Truncates() {
			w.out.Log(protocol.Info, "stream %s: nothing would be deleted, it appends", s.catalog.Descriptor)
			continue
		}
		old, err := superseded(ctx, b, w.cfg.ID, s)
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.catalog.Descriptor, err)
		}
		for _, o := range old {
			w.out.Log(protocol.Info, "stream %s: would delete s3://%s/%s (generation %d, %d bytes)", s.catalog.Descriptor, w.cfg.Bucket, o.Key, o.Generation, o.Size)
		}
		n += len(old)
	}
	w.out.Log(protocol.Info, "dry run: %d objects would be deleted; nothing was read, written or deleted", n)
	return nil
}

// take handles one line.
func (w *writer) take(line []byte, number int64) error {
	m, err := protocol.Parse(line)
	if errors.Is(err, protocol.ErrNotJSON) {
		w.strange(line, number)
		return nil
	}
	if err != nil {
		return problem.New(problem.Invalid, "line %d: %w", number, err)
	}
	switch m.Kind {
	case protocol.Other:
		return nil
	case protocol.KindRecord:
		return w.record(&m.Record, number)
	case protocol.KindState:
		var s *stream
		if m.State.Type == protocol.PerStream {
			if s, err = w.find(m.State.Stream, number); err != nil {
				return err
			}
		}
		if err := w.track.wait(m.State, s, w.seq, time.Now()); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		return w.acknowledge(s)
	case protocol.KindStatus:
		s, err := w.find(m.Status.Stream, number)
		if err != nil {
			return err
		}
		w.sawStatus = true
		s.status = m.Status.Status
	}
	return nil
}

// strange tells of a line that is no message. Some sources let libraries print.
func (w *writer) strange(line []byte, number int64) {
	const shown = 20 // one by one; the rest is counted
	if len(line) == 0 || line[0] == '\r' {
		return
	}
	if w.notJSON++; w.notJSON > shown {
		return
	}
	level := protocol.Info
	if line[0] == '{' {
		level = protocol.Warn // it may have been meant as a message
	}
	w.out.Log(level, "line %d is no JSON object and is ignored: %s", number, objstore.OneLine(string(line[:min(len(line), 200)])))
}

func (w *writer) find(d protocol.Descriptor, number int64) (*stream, error) {
	if s := w.streams[d]; s != nil {
		return s, nil
	}
	return nil, problem.New(problem.Invalid, "Stream not found: %s: line %d names it, but the catalog does not", d, number)
}

func (w *writer) record(r *protocol.Record, number int64) error {
	s, err := w.find(r.Stream, number)
	if err != nil {
		return err
	}
	if r.File {
		return problem.New(problem.Invalid, "line %d: a record of stream %s refers to a file; copying files is not supported, only records are written", number, r.Stream)
	}
	if _, err := parseChanges(r.Changes); err != nil { // later nobody knows the line
		return fmt.Errorf("line %d: a record of stream %s: %w", number, r.Stream, err)
	}
	if s.open == nil {
		s.open = &chunk{stream: s, first: w.seq}
	}
	if err := w.spool.add(s.open, w.newID(), r); err != nil {
		return err
	}
	w.seq++
	w.track.took(s)
	if s.open.bytes >= w.cfg.FileBytes {
		w.flush(s)
	}
	return w.bound()
}

// newID returns a random UUID. It is fixed here, so that an object that is put
// again has the same bytes.
func (w *writer) newID() (id [16]byte) {
	_, _ = w.ids.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|4<<4, id[8]&0x3f|0x80
	return id
}
