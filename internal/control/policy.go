package control

import (
	"context"
	"slices"
	"strings"

	"strm/internal/policy"
	"strm/internal/problem"
	"strm/internal/stream"
)

// PolicyQuery says for whom policies are wanted.
type PolicyQuery struct {
	Sink      string
	Exporter  string // NAME or STREAM/NAME of one of the sink's exporters; empty for all of them, and the importers
	Importer  string // one of the sink's importers alone; not with Exporter
	Principal string // ARN of who holds the sink's credentials
	KMSKey    string // the key of the bucket's default encryption
	Enforce   bool   // refuse uploads without encryption
}

// Policies returns the least policies for a sink, what its exporters write, and
// what its importers read and report. They cover what is written from now on: a
// batch that was planned under other prefixes, or a replay into one of its own,
// may need more. Errors: Invalid, NotFound.
func (c *Control) Policies(ctx context.Context, q PolicyQuery) (policy.Set, error) {
	if q.Exporter != "" && q.Importer != "" {
		return policy.Set{}, problem.New(problem.Invalid, "policies are for a batch exporter or a batch importer, not both")
	}
	sink, err := c.catalog.Sink(ctx, q.Sink)
	if err != nil {
		return policy.Set{}, err
	}
	exporters, err := c.catalog.ExportersOfSink(ctx, q.Sink)
	if err != nil {
		return policy.Set{}, err
	}
	if q.Exporter != "" {
		if exporters, err = oneOf(exporters, sink.Name, q.Exporter); err != nil {
			return policy.Set{}, err
		}
	}
	importers, err := c.catalog.ImportersOfSink(ctx, q.Sink)
	if err != nil {
		return policy.Set{}, err
	}
	switch {
	case q.Exporter != "":
		importers = nil
	case q.Importer != "":
		exporters = nil
		importers = slices.DeleteFunc(importers, func(i stream.Importer) bool { return i.Name != q.Importer })
		if len(importers) == 0 {
			return policy.Set{}, problem.New(problem.NotFound, "sink %q has no batch importer %q", sink.Name, q.Importer)
		}
	}
	r := policy.Request{Sink: sink, Principal: q.Principal, KMSKey: q.KMSKey, Enforce: q.Enforce}
	for _, i := range importers {
		r.Importers = append(r.Importers, policy.Importer{Prefix: i.Prefix, Suffixes: i.Suffixes, StatusPrefix: i.StatusPrefix, TopicARN: i.TopicARN, QueueURL: i.QueueURL})
	}
	for _, e := range exporters {
		keys, err := c.writes(e.Output)
		if err != nil {
			return policy.Set{}, err
		}
		r.Writers = append(r.Writers, policy.Writer{PathPrefix: e.Output.PathPrefix, Keys: keys})
	}
	return policy.For(r)
}

func oneOf(exporters []stream.Exporter, sink, name string) ([]stream.Exporter, error) {
	var found []stream.Exporter
	streamName, short, qualified := strings.Cut(name, "/")
	for _, e := range exporters {
		if e.Name == name || qualified && e.Stream == streamName && e.Name == short {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, problem.New(problem.NotFound, "sink %q has no batch exporter %q", sink, name)
	case 1:
		return found, nil
	}
	return nil, problem.New(problem.Conflict, "several streams have a batch exporter %q; write STREAM/%s", name, name)
}
