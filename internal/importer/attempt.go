package importer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"strm/internal/eventlog"
	"strm/internal/objstore"
	"strm/internal/problem"
	"strm/internal/stream"
)

// mostPanics is how often a file may make us panic before it is given up.
const mostPanics = 5

// patience is how long an import waits for room before it lets others go on.
const patience = time.Minute

// longestPause is how long it waits at once, so that room is used soon.
const longestPause = 10 * time.Second

// attempt imports a file, or says why not. Nil means that there is nothing left
// to do: it is done, or somebody gave it up.
func (r *Runner) attempt(ctx context.Context, i *stream.Import) error {
	i.Attempts++
	im, err := r.importerOf(ctx, i)
	if err != nil {
		return err
	}
	deleted := !im.DeletedAt.IsZero()
	if deleted && i.State == stream.ImportNoticed {
		return r.refuse(ctx, i, stream.ErrConfigNotFound, "the batch importer was deleted before the file was read", 0)
	}
	st, err := r.catalog.StreamByID(ctx, i.StreamID)
	if problem.KindOf(err) == problem.NotFound {
		return r.refuse(ctx, i, stream.ErrConfigNotFound, "the stream that the file was for was deleted", 0)
	}
	if err != nil {
		return err
	}
	sink, err := r.buckets.get(ctx, im.Sink)
	if err != nil && deleted && problem.KindOf(err) == problem.NotFound {
		return r.refuse(ctx, i, stream.ErrConfigNotFound, "the sink of the deleted batch importer was deleted", 0)
	}
	if err != nil {
		return fmt.Errorf("sink %s: %w", im.Sink, err)
	}
	if place := sink.Place(); place != i.Place {
		return problem.New(problem.Conflict, "the file is in %s, and sink %s is now %s", i.Place, im.Sink, place)
	}
	// Before the file is fetched: reading it in vain costs more than asking.
	if err := r.room(ctx, &st); err != nil {
		return err
	}
	mark, err := r.log.Mark(ctx, st.ID, markOf(i))
	if err != nil {
		return fmt.Errorf("look up how far the file is in: %w", err)
	}
	if mark == 0 && !deleted {
		// Nothing of it is in, so it goes by the settings of today, also where it was tried
		// before in vain. Of a deleted importer those of the first attempt hold.
		i.Environments = slices.Clone(im.Environments)
	}
	if i.State == stream.ImportNoticed {
		i.State = stream.ImportRunning
		i.Partition = stream.Partition(xxhash.Sum64String(i.Key) % uint64(max(st.Partitions, 1)))
		i.StartedAt = time.Now().UTC()
	}
	// Nothing is appended before this is durable: whoever goes on after us reads
	// the file with these settings. It also stops us if our list of what is due was
	// older: if the import is done already, or an attempt since has fixed the settings.
	ok, err := r.ledger.BeginImport(ctx, *i)
	switch {
	case problem.KindOf(err) == problem.Conflict:
		r.unmark(ctx, i)
		return nil
	case err != nil:
		return fmt.Errorf("note the attempt: %w", err)
	case !ok:
		return nil // what is due will be read again
	}
	return r.read(ctx, i, &st, sink, mark)
}

// importerOf returns the importer of a file, which may be deleted.
func (r *Runner) importerOf(ctx context.Context, i *stream.Import) (stream.Importer, error) {
	for _, read := range []func(context.Context) ([]stream.Importer, error){r.ledger.Importers, r.ledger.DeletedImporters} {
		all, err := read(ctx)
		if err != nil {
			return stream.Importer{}, fmt.Errorf("read the batch importers: %w", err)
		}
		for _, im := range all {
			if im.ID == i.ImporterID {
				return im, nil
			}
		}
	}
	return stream.Importer{ID: i.ImporterID, Name: i.Importer, DeletedAt: time.Now()}, nil
}

// markOf names an import in the log.
func markOf(i *stream.Import) string { return fmt.Sprintf("import/%s/%d", i.ImporterID, i.ID) }

// read fetches the file and appends its rows behind mark, which says how many of
// them are read already.
func (r *Runner) read(ctx context.Context, i *stream.Import, st *stream.Stream, sink *openSink, mark uint64) error {
	if i.Attempts > mostPanics && strings.HasPrefix(i.Problem, errPanic.Error()) {
		return r.refuse(ctx, i, stream.ErrConfigNotFound, "the file could not be read because of an internal fault of strm; the server's log has the details", mark)
	}
	file, err := r.fetch(ctx, i, sink)
	var bad *FileError
	switch e := objstore.AsError(err); {
	case err == nil:
	case errors.As(err, &bad):
		return r.refuse(ctx, i, stream.ErrSchema, bad.Detail, mark)
	case e.Op != "" && e.Reason == objstore.NoObject:
		return r.refuse(ctx, i, stream.ErrSchema, "the file was deleted from the bucket before it was read", mark)
	case e.Op != "" && e.Reason == objstore.Replaced:
		return r.refuse(ctx, i, stream.ErrSchema, "the file was replaced by another one before it was read", mark)
	default:
		return err
	}
	defer func() {
		if err := file.Close(); err != nil {
			r.logger.Warn("close an event file", slog.Any("error", err))
		}
	}()
	reading := file.Read(i.Environments)
	for c, err := range reading.Chunks(ctx, int64(mark)) {
		if errors.As(err, &bad) {
			reading.Refuse(stream.ErrSchema, bad.Detail)
			break
		}
		if err != nil {
			return err
		}
		if c.Accepted == 0 {
			continue // the mark may stay behind: these rows are only read again
		}
		err = r.append(ctx, i, st, c)
		if errors.Is(err, eventlog.ErrMarkMoved) {
			return nil // another node reads the file; the next look says how far it is
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	i.Rows, i.Accepted = reading.Rows(), reading.Accepted()
	return r.finish(ctx, i, reading.Entries())
}

// append stores the accepted rows of a chunk, and waits a while for room.
func (r *Runner) append(ctx context.Context, i *stream.Import, st *stream.Stream, c Chunk) error {
	e := eventlog.Entry{Partition: i.Partition, Events: c.Accepted, Data: c.Data, Mark: markOf(i), MarkFrom: uint64(c.From), MarkAt: uint64(c.To)}
	until := time.Now().Add(patience)
	for n := 1; ; n++ {
		err := r.room(ctx, st)
		if err == nil {
			// Lost request or answer, death: the mark tells, when the file is read again.
			_, err = r.log.Append(ctx, st.ID, e)
		}
		if err == nil {
			return nil
		}
		wait := min(r.backoff.after(n, err), longestPause)
		if problem.KindOf(err) != problem.Busy || time.Now().Add(wait).After(until) {
			return fmt.Errorf("append rows %d to %d: %w", c.From, c.To, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// refuse ends an import of which no row is known. mark is how many rows had been
// read when rows of it were last appended.
func (r *Runner) refuse(ctx context.Context, i *stream.Import, code stream.RowError, detail string, mark uint64) error {
	if mark > 0 {
		detail += fmt.Sprintf("; the rows up to number %d had been read before, and those that were valid are stored", mark)
	}
	i.Rows, i.Accepted = int64(mark), 0
	return r.finish(ctx, i, []stream.StatusEntry{{EntryID: 1, Rows: 1, Errors: []stream.RowError{code}, Details: []string{detail}}})
}

// finish makes the import done. If the answer is lost, the next attempt finds it
// done, or reads the file again and appends nothing.
func (r *Runner) finish(ctx context.Context, i *stream.Import, entries []stream.StatusEntry) error {
	for n := range entries {
		entries[n].ImportID = i.ID
	}
	done := *i
	done.State, done.Problem, done.NextTryAt, done.DoneAt = stream.ImportDone, "", time.Time{}, time.Now().UTC()
	switch err := r.ledger.FinishImport(ctx, done, entries); {
	case problem.KindOf(err) == problem.Conflict:
		return nil // another process has overtaken us, and ends it
	case err != nil:
		return fmt.Errorf("note the file as done: %w", err)
	}
	r.unmark(ctx, i)
	r.told(&done, entries)
	return nil
}

// unmark forgets how far a file is in that is done. Where others work with the log it
// stays, some 60 bytes beside the import's own row: a process that was paused before
// its first append, and goes on when the file is done, must find that its rows are in.
func (r *Runner) unmark(ctx context.Context, i *stream.Import) {
	if r.shared {
		return
	}
	err := r.log.Unmark(ctx, i.StreamID, markOf(i))
	if err != nil && ctx.Err() == nil && !errors.Is(err, eventlog.ErrNoStream) {
		r.logger.Warn("the mark of a file that is done stays in the log", slog.String("mark", markOf(i)), slog.Any("error", err))
	}
}

// told counts what became of a file.
func (r *Runner) told(i *stream.Import, entries []stream.StatusEntry) {
	outcome := "imported"
	for _, e := range entries {
		for _, code := range e.Errors {
			if code == stream.ErrConfigNotFound || code == stream.ErrSchema {
				outcome = string(code) // its rows are of no meaning
				continue
			}
			r.observe.Rows(i.Importer, code, e.Rows)
		}
	}
	r.observe.Rows(i.Importer, "", i.Accepted)
	took := time.Duration(0)
	if !i.StartedAt.IsZero() {
		took = i.DoneAt.Sub(i.StartedAt)
	}
	r.observe.FileDone(i.Importer, outcome, took)
	r.logger.Info("file done", slog.String("importer", i.Importer), slog.String("key", i.Key), slog.String("outcome", outcome),
		slog.Int64("rows", i.Rows), slog.Int64("accepted", i.Accepted))
}
