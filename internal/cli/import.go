package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
	"strm/internal/stream"
)

func (a *app) listImports() *cobra.Command {
	var q apiclient.ImportQuery
	c := &cobra.Command{
		Use: "imports [IMPORTER]", Aliases: []string{"import"}, Short: "List imported files, newest first",
		Example: `  strm list imports -o table
  strm list imports fme --state noticed
  strm list imports fme --prefix events/2026-11-20/ --limit 10`,
		Args: args(0, 1, "at most one IMPORTER"), ValidArgsFunction: a.names(1, importerNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 0 || q.Before < 0 {
				return usagef("--limit and --before must not be negative")
			}
			if len(args) > 0 {
				q.Importer = args[0]
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			page, err := s.Imports(s.ctx, q)
			if err != nil {
				return err
			}
			return s.print(render.Imports(page.Imports, page.Next))
		},
	}
	c.Flags().IntVar(&q.Limit, "limit", 0, "at most this many (default 100)")
	c.Flags().Int64Var(&q.Before, "before", 0, "only imports with a lower id, to read on")
	c.Flags().StringVar(&q.State, "state", "", "only imports in this state: noticed, running, done or abandoned")
	c.Flags().StringVar(&q.Prefix, "prefix", "", "only files whose keys begin with this")
	complete(c, "state", string(stream.ImportNoticed), string(stream.ImportRunning), string(stream.ImportDone), string(stream.ImportAbandoned))
	complete(c, "prefix")
	return c
}

func (a *app) getImport() *cobra.Command {
	return &cobra.Command{
		Use: "import ID...", Aliases: []string{"imports"}, Short: "Show what became of imported files, as their status reports tell",
		Example: `  strm get import 42
  strm get import 42 -o table`,
		Args: args(1, -1, "at least one ID"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: a.each(func(s *session, id string) error {
			if n, err := strconv.ParseInt(id, 10, 64); err != nil || n < 1 {
				return usagef("%q is not the id of an import: strm list imports shows them, as numbers", id)
			}
			i, err := s.Import(s.ctx, id)
			if err != nil {
				return err
			}
			return s.print(render.Import(i))
		}),
	}
}
