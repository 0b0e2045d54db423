package control

import (
	"context"

	"strm/internal/catalog"
	"strm/internal/problem"
	"strm/internal/stream"
)

// ImportFilter narrows a list of imports. Zero fields do not narrow.
type ImportFilter struct {
	Importer  string // name of one that lives
	State     stream.ImportState
	KeyPrefix string
	Before    int64 // id; only older imports
	Limit     int   // 0 means DefaultBatches; at most MaxBatches
}

// ImportPage is one page of imports, newest first.
type ImportPage struct {
	Imports []stream.Import
	Next    int64 // Before for the next page; 0 at the end
}

// Imports lists imports, also those of deleted importers unless one is named.
func (c *Control) Imports(ctx context.Context, f ImportFilter) (ImportPage, error) {
	limit := f.Limit
	if limit == 0 {
		limit = DefaultBatches
	}
	if limit < 0 || limit > MaxBatches {
		return ImportPage{}, problem.New(problem.Invalid, "limit: %d is not between 1 and %d", f.Limit, MaxBatches)
	}
	switch f.State {
	case "", stream.ImportNoticed, stream.ImportRunning, stream.ImportDone, stream.ImportAbandoned:
	default:
		return ImportPage{}, problem.New(problem.Invalid, "state %q is not known; use noticed, running, done or abandoned", f.State)
	}
	if f.Before < 0 {
		return ImportPage{}, problem.New(problem.Invalid, "before: %d is below 0", f.Before)
	}
	q := catalog.ImportQuery{State: f.State, KeyPrefix: f.KeyPrefix, BeforeID: f.Before, Limit: limit + 1}
	if f.Importer != "" {
		i, err := c.catalog.Importer(ctx, f.Importer)
		if err != nil {
			return ImportPage{}, err
		}
		q.ImporterID = i.ID
	}
	all, err := c.catalog.Imports(ctx, q)
	if err != nil {
		return ImportPage{}, err
	}
	p := ImportPage{Imports: all}
	if len(all) > limit {
		p.Imports, p.Next = all[:limit], all[limit-1].ID
	}
	return p, nil
}

// ImportDetail is an import with what became of its rows.
type ImportDetail struct {
	stream.Import
	Entries []stream.StatusEntry
	Report  *stream.Report // that holds the entries; nil until there is one
}

// Import returns an import.
func (c *Control) Import(ctx context.Context, id int64) (ImportDetail, error) {
	i, err := c.catalog.Import(ctx, id)
	if err != nil {
		return ImportDetail{}, err
	}
	d := ImportDetail{Import: i}
	if d.Entries, err = c.catalog.Entries(ctx, id); err != nil || len(d.Entries) == 0 || d.Entries[0].ReportID <= 0 {
		return d, err
	}
	r, err := c.catalog.Report(ctx, d.Entries[0].ReportID)
	if err != nil {
		return ImportDetail{}, err
	}
	d.Report = &r
	return d, nil
}
