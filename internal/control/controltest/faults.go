package controltest

import (
	"context"
	"fmt"
	"sync"

	"strm/internal/catalog"
	"strm/internal/control"
	"strm/internal/eventlog"
	"strm/internal/stream"
)

// Faults decides which writes fail. A write whose request is lost does not
// happen; one whose answer is lost happens and fails all the same.
type Faults struct {
	mu      sync.Mutex
	request map[string]bool
	answer  map[string]bool
	Calls   []string // writes that happened, in order
}

// LoseRequest makes the named write fail without happening.
func (f *Faults) LoseRequest(name string) { f.set(&f.request, name) }

// LoseAnswer makes the named write happen and fail.
func (f *Faults) LoseAnswer(name string) { f.set(&f.answer, name) }

// Clear lets everything succeed again and forgets the calls.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.request, f.answer, f.Calls = nil, nil, nil
}

func (f *Faults) set(m *map[string]bool, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *m == nil {
		*m = map[string]bool{}
	}
	(*m)[name] = true
}

func (f *Faults) do(name string, write func() error) error {
	f.mu.Lock()
	lost, unanswered := f.request[name], f.answer[name]
	f.mu.Unlock()
	if lost {
		return fmt.Errorf("%s: request lost: %w", name, ErrInjected)
	}
	if err := write(); err != nil {
		return err
	}
	f.mu.Lock()
	f.Calls = append(f.Calls, name)
	f.mu.Unlock()
	if unanswered {
		return fmt.Errorf("%s: answer lost: %w", name, ErrInjected)
	}
	return nil
}

type faultyCatalog struct {
	control.Catalog
	f *Faults
}

func (c faultyCatalog) CreateStream(ctx context.Context, s stream.Stream) error {
	return c.f.do("CreateStream", func() error { return c.Catalog.CreateStream(ctx, s) })
}

func (c faultyCatalog) UpdateStream(ctx context.Context, s stream.Stream) error {
	return c.f.do("UpdateStream", func() error { return c.Catalog.UpdateStream(ctx, s) })
}

func (c faultyCatalog) DeleteStream(ctx context.Context, name string, recursive bool) (s stream.Stream, es []stream.Exporter, err error) {
	err = c.f.do("DeleteStream", func() error {
		s, es, err = c.Catalog.DeleteStream(ctx, name, recursive)
		return err
	})
	return s, es, err
}

func (c faultyCatalog) ForgetStream(ctx context.Context, id string) error {
	return c.f.do("ForgetStream", func() error { return c.Catalog.ForgetStream(ctx, id) })
}

func (c faultyCatalog) UpdateSource(ctx context.Context, s stream.Source) error {
	return c.f.do("UpdateSource", func() error { return c.Catalog.UpdateSource(ctx, s) })
}

func (c faultyCatalog) CreateSource(ctx context.Context, s stream.Source) error {
	return c.f.do("CreateSource", func() error { return c.Catalog.CreateSource(ctx, s) })
}

func (c faultyCatalog) Sources(ctx context.Context) (out []stream.Source, err error) {
	err = c.f.do("Sources", func() error {
		out, err = c.Catalog.Sources(ctx)
		return err
	})
	return out, err
}

func (c faultyCatalog) DeleteSource(ctx context.Context, name string) error {
	return c.f.do("DeleteSource", func() error { return c.Catalog.DeleteSource(ctx, name) })
}

func (c faultyCatalog) PutSink(ctx context.Context, s stream.Sink) (out stream.Sink, created bool, err error) {
	err = c.f.do("PutSink", func() error {
		out, created, err = c.Catalog.PutSink(ctx, s)
		return err
	})
	return out, created, err
}

func (c faultyCatalog) DeleteSink(ctx context.Context, name string, recursive bool) (s stream.Sink, es []stream.Exporter, err error) {
	err = c.f.do("DeleteSink", func() error {
		s, es, err = c.Catalog.DeleteSink(ctx, name, recursive)
		return err
	})
	return s, es, err
}

func (c faultyCatalog) CreateExporter(ctx context.Context, e stream.Exporter) error {
	return c.f.do("CreateExporter", func() error { return c.Catalog.CreateExporter(ctx, e) })
}

func (c faultyCatalog) UpdateExporter(ctx context.Context, e stream.Exporter) error {
	return c.f.do("UpdateExporter", func() error { return c.Catalog.UpdateExporter(ctx, e) })
}

func (c faultyCatalog) DeleteExporter(ctx context.Context, id string) error {
	return c.f.do("DeleteExporter", func() error { return c.Catalog.DeleteExporter(ctx, id) })
}

func (c faultyCatalog) CreateImporter(ctx context.Context, i stream.Importer) error {
	return c.f.do("CreateImporter", func() error { return c.Catalog.CreateImporter(ctx, i) })
}

func (c faultyCatalog) UpdateImporter(ctx context.Context, i stream.Importer) error {
	return c.f.do("UpdateImporter", func() error { return c.Catalog.UpdateImporter(ctx, i) })
}

func (c faultyCatalog) DeleteImporter(ctx context.Context, id string) error {
	return c.f.do("DeleteImporter", func() error { return c.Catalog.DeleteImporter(ctx, id) })
}

func (c faultyCatalog) AbandonReplay(ctx context.Context, exporterID, replayID string) (n int64, err error) {
	err = c.f.do("AbandonReplay", func() error {
		n, err = c.Catalog.AbandonReplay(ctx, exporterID, replayID)
		return err
	})
	return n, err
}

func (c faultyCatalog) Totals(ctx context.Context, id string) (t catalog.Totals, err error) {
	err = c.f.do("Totals", func() error {
		t, err = c.Catalog.Totals(ctx, id)
		return err
	})
	return t, err
}

type faultyLog struct {
	control.Log
	f *Faults
}

func (l faultyLog) Create(ctx context.Context, id string, partitions int) error {
	return l.f.do("Create", func() error { return l.Log.Create(ctx, id, partitions) })
}

func (l faultyLog) Drop(ctx context.Context, id string) error {
	return l.f.do("Drop", func() error { return l.Log.Drop(ctx, id) })
}

func (l faultyLog) Bounds(ctx context.Context, id string) (b []eventlog.Bound, err error) {
	err = l.f.do("Bounds", func() error {
		b, err = l.Log.Bounds(ctx, id)
		return err
	})
	return b, err
}
