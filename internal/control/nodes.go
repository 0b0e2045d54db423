package control

import (
	"context"

	"strm/internal/exporter"
	"strm/internal/importer"
	"strm/internal/node"
	"strm/internal/retention"
	"strm/internal/stream"
)

// The duties of an installation that are not of one exporter or importer: what the
// only node of an installation has, and several divide among them.
var commonDuties = []string{retention.Duty, SinksDuty, importer.ReportsDuty}

// Node is one of the processes that share this installation, and what it cares for.
type Node struct {
	stream.Node
	This      bool     // it answered
	Exporters int      // that it plans for
	Importers int      // for which it lists files and listens to queues
	Duties    []string // beside these
}

// Nodes returns the nodes in the order in which they started. Those that died within
// a day without signing off are among them. What each cares for is as all of them
// compute it by now; for some seconds after one has come or gone they may see it otherwise.
func (c *Control) Nodes(ctx context.Context) ([]Node, error) {
	rows, err := c.catalog.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		alone := c.node
		alone.Alive = true
		rows = []stream.Node{alone}
	}
	exporters, err := c.catalog.Exporters(ctx)
	if err != nil {
		return nil, err
	}
	importers, err := c.catalog.Importers(ctx)
	if err != nil {
		return nil, err
	}
	var exports, imports []string
	for i := range exporters {
		exports = append(exports, exporter.Duty(exporters[i].ID))
	}
	for i := range importers {
		imports = append(imports, importer.Duty(importers[i].ID))
	}
	ofExports, ofImports := node.Count(rows, exports), node.Count(rows, imports)
	common := map[string][]string{}
	for _, d := range commonDuties {
		for id, n := range node.Count(rows, []string{d}) {
			if n > 0 {
				common[id] = append(common[id], d)
			}
		}
	}
	out := make([]Node, 0, len(rows))
	for _, r := range rows {
		out = append(out, Node{Node: r, This: r.ID == c.node.ID, Exporters: ofExports[r.ID], Importers: ofImports[r.ID], Duties: common[r.ID]})
	}
	return out, nil
}
