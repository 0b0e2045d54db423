package cli

import (
	"github.com/spf13/cobra"

	"strm/internal/cli/render"
)

func (a *app) listNodes() *cobra.Command {
	return &cobra.Command{
		Use: "nodes", Aliases: []string{"node"}, Short: "List the processes that share this installation, and what each cares for",
		Long: `List the processes ("strm serve") that share this installation, and how many batch
exporters and batch importers each cares for. One that died without signing off is
listed as lost for a day; what it had is others' as soon as its lease is over.`,
		Example: `  strm list nodes
  strm list nodes -o table`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Nodes(s.ctx)
			if err != nil {
				return err
			}
			return s.print(render.Nodes(list))
		},
	}
}
