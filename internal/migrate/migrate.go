package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"strm/internal/catalog"
	"strm/internal/catalog/sqlite"
	"strm/internal/eventlog"
	"strm/internal/eventlog/embedded"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Log is what the new log has to do.
type Log interface {
	Make(ctx context.Context, streamID string, t stream.Topic, partitions int) (stream.Topic, int, error)
	Drop(ctx context.Context, streamID string) error
	Bounds(ctx context.Context, streamID string) ([]eventlog.Bound, error)
	Read(ctx context.Context, streamID string, r stream.Range) iter.Seq2[stream.Block, error]
	// Load appends the lines of the blocks at the end of the partition, one record
	// each, received at the header's times, and fails unless each lands at the
	// offset that its block says.
	Load(ctx context.Context, streamID string, p stream.Partition, blocks iter.Seq2[stream.Block, error]) error
}

// Options say what moves where.
type Options struct {
	Data string // directory of the node that moves; no server may use it
	// Secrets is the directory that gets its secrets, or has them: a node started with
	// --secrets has none in Data. Empty: they stay in Data.
	Secrets string

	// Catalog and Log are the new home. Both are the caller's to close, the log first.
	Catalog *catalog.DB
	Log     Log
	// Opens reports, by an error, that the secrets in a directory are not those that the
	// credentials in the old catalog were sealed with; nil: any will do.
	Opens func(ctx context.Context, secretsDir string, old *catalog.DB) error
	// Agree notes in the new catalog that its nodes must have the secrets in a directory.
	Agree func(ctx context.Context, secretsDir string) error
	// TopicName returns the name of the topic that a stream gets.
	TopicName func(s stream.Stream) string
	Home      Moved // for people; At is set here

	KeyTTL time.Duration // how long idempotency keys are remembered; 24 h if 0
	Check  bool          // look and tell, change nothing
	Tell   func(format string, args ...any)
	Logger *slog.Logger

	// Died, in tests, ends the run after the step of that name.
	Died func(step string) error
}

// move is one run.
type move struct {
	Options
	log     *embedded.Log
	catalog *catalog.DB
	streams []stream.Stream
	topics  map[string]stream.Topic
	ours    map[string]bool // streams whose topic this run or an earlier one has made
	keys    string          // the directory with the node's secrets
}

// Run moves, or goes on with a move that was broken off. It takes the lock of the
// data directory. Errors: Conflict if the directory is in use, the new catalog
// holds something of its own, or either has been moved elsewhere or completed.
func Run(ctx context.Context, o Options) error {
	if o.Tell == nil {
		o.Tell = func(string, ...any) {}
	}
	if o.KeyTTL == 0 {
		o.KeyTTL = 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m := &move{Options: o}
	_, moved, err := readMoved(o.Data)
	if err != nil {
		return err
	}
	if done, err := m.complete(ctx, moved); err != nil || done {
		return err
	}
	if err := m.open(ctx); err != nil {
		return errors.Join(err, m.close())
	}
	return errors.Join(m.run(ctx), m.close())
}

// complete ends a move of which only the last step is missing, or nothing.
func (m *move) complete(ctx context.Context, moved bool) (bool, error) {
	if !moved {
		return false, nil
	}
	state, err := m.Catalog.Migration(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case state.Done:
		m.Tell("%s has moved already: everything is done", m.Data)
		return true, nil
	case state.Began.IsZero() || state.From != m.from():
		return false, Check(m.Data)
	case m.Check:
		m.Tell("the last step is missing: run strm migrate without --check")
		return true, nil
	}
	m.Tell("everything has moved; noting that it is complete")
	return true, m.Catalog.CompleteMigration(ctx)
}

func (m *move) from() string {
	if abs, err := filepath.Abs(m.Data); err == nil {
		return abs
	}
	return m.Data
}

func (m *move) open(ctx context.Context) (err error) {
	// Neither may be made here: a slip of the pen would move nothing at all.
	log, cat := filepath.Join(m.Data, "log"), filepath.Join(m.Data, "catalog.db")
	for _, path := range []string{log, cat} {
		if _, err := os.Stat(path); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return problem.New(problem.NotFound, "there is no %s: name the data directory of the node that is to move (--data DIR)", path)
			}
			return fmt.Errorf("data directory: %w", err)
		}
	}
	m.Tell("opening %s", m.Data)
	if m.log, err = embedded.Open(log, embedded.Options{Logger: m.Logger, MinFree: -1, KeyTTL: m.KeyTTL}); err != nil {
		return fmt.Errorf("the server must be stopped before it moves: %w", err)
	}
	m.catalog, err = sqlite.Open(ctx, cat)
	return err
}

func (m *move) close() error {
	var errs []error
	if m.catalog != nil {
		errs = append(errs, m.catalog.Close())
	}
	if m.log != nil {
		errs = append(errs, m.log.Close())
	}
	return errors.Join(errs...)
}

// step runs one step.
func (m *move) step(ctx context.Context, name string, do func(context.Context) error) error {
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if m.Died != nil {
		return m.Died(name)
	}
	return nil
}

func (m *move) run(ctx context.Context) error {
	if err := m.plan(ctx); err != nil {
		return err
	}
	if err := m.findSecrets(ctx); err != nil {
		return err
	}
	if m.Check {
		return m.look(ctx)
	}
	for _, s := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"secrets", m.moveSecrets}, {"begin", m.begin}, {"catalog", m.moveCatalog}, {"events", m.moveEvents}, {"names", m.moveNames},
		{"fingerprints", m.agree}, {"verify", m.verify}, {"mark", m.mark}, {"complete", m.Catalog.CompleteMigration},
	} {
		if err := m.step(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	m.Tell("complete: start nodes with --log, --catalog and --secrets; %s is no longer used", m.Data)
	return nil
}

// plan decides which stream gets which topic.
func (m *move) plan(ctx context.Context) error {
	var err error
	if m.streams, err = m.catalog.Streams(ctx); err != nil {
		return err
	}
	before, err := m.Catalog.Migration(ctx)
	if err != nil {
		return err
	}
	m.topics, m.ours = map[string]stream.Topic{}, map[string]bool{}
	for _, s := range m.streams {
		if s.Topic.Name != "" {
			return problem.New(problem.Conflict, "stream %s is in topic %s already: this node's events are in Kafka, and cannot move there", s.Name, s.Topic.Name)
		}
		bounds, err := m.log.Bounds(ctx, s.ID)
		if err != nil {
			return err
		}
		t := stream.Topic{Name: m.TopicName(s), Values: stream.ValuesJSON, Base: make(stream.Position, len(bounds))}
		for i, b := range bounds {
			t.Base[i] = b.Floor
		}
		if old, ok := before.Topics[s.ID]; ok && !before.Done {
			t = old // it may hold events
			if before.Made[s.ID] {
				m.ours[s.ID] = true
			}
		}
		m.topics[s.ID] = t
	}
	for id, t := range before.Topics {
		if _, ok := m.topics[id]; !ok && before.Made[id] && !before.Done {
			m.Tell("topic %s is left over from a stream that was deleted since the last run: delete it", t.Name)
		}
	}
	return nil
}

// look tells what a move would do.
func (m *move) look(ctx context.Context) error {
	var events, bytes int64
	for _, s := range m.streams {
		bounds, err := m.log.Bounds(ctx, s.ID)
		if err != nil {
			return err
		}
		var n, size int64
		for _, b := range bounds {
			n, size = n+int64(b.End-b.Floor), size+b.Packed
		}
		events, bytes = events+n, bytes+size
		m.Tell("stream %s: %d events, %d bytes compressed, into topic %s with %d partitions", s.Name, n, size, m.topics[s.ID].Name, s.Partitions)
	}
	exporters, err := m.catalog.Exporters(ctx)
	if err != nil {
		return err
	}
	for _, e := range exporters {
		b, err := m.catalog.Unfinished(ctx, e.ID)
		if err != nil {
			return err
		}
		if len(b) > 0 {
			m.Tell("batch exporter %s: %d unfinished batches go on there", e.Name, len(b))
		}
	}
	state, err := m.Catalog.Migration(ctx)
	if err != nil {
		return err
	}
	if err := m.Catalog.MayMigrate(ctx, m.catalog); err != nil {
		return err
	}
	if !state.Began.IsZero() {
		m.Tell("a move was begun on %s and would be gone on with", state.Began.Format(time.DateTime))
	}
	m.Tell("in all %d events, %d bytes compressed; nothing was changed", events, bytes)
	return nil
}

func (m *move) begin(ctx context.Context) error {
	return m.Catalog.BeginMigration(ctx, m.catalog, catalog.Migration{From: m.from(), Topics: m.topics, Made: m.ours})
}

func (m *move) moveCatalog(ctx context.Context) error {
	err := m.Catalog.CopyFrom(ctx, m.catalog, func(table string, rows int64) {
		if rows > 0 {
			m.Tell("catalog: %s, %d rows", table, rows)
		}
	})
	if err != nil {
		return err
	}
	// What a topic holds is not measured, so a bound of that kind holds nothing there.
	for _, s := range m.streams {
		if s.Retention.MaxBytes == 0 {
			continue
		}
		m.Tell("stream %s: its bound of %d bytes is left out, because strm does not measure topics; its bound by age holds", s.Name, s.Retention.MaxBytes)
		s.Retention.MaxBytes, s.Topic = 0, m.topics[s.ID]
		if err := m.Catalog.UpdateStream(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (m *move) mark(context.Context) error {
	home := m.Home
	home.At = time.Now().UTC().Truncate(time.Second)
	return writeMoved(m.Data, home)
}
