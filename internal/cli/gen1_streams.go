package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
)

func (a *app) gen1Streams() *cobra.Command {
	return a.group("streams", "Streams, in the older form of the commands", a.gen1CreateStream(), a.gen1ListStreams(), a.gen1DeleteStream())
}

func (a *app) gen1CreateStream() *cobra.Command {
	var description string
	var tags []string
	c := &cobra.Command{
		Use: "create NAME", Short: "Create a stream",
		Example: `  strm streams create demo -d "clicks of the shop" -t web -t shop`,
		Args:    args(1, 1, "one NAME"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			out, err := s.CreateStream(s.ctx, apiv1.CreateStream{Name: args[0], Description: description, Tags: tags})
			if err != nil {
				return err
			}
			return s.print(render.Gen1Stream(out))
		},
	}
	c.Flags().StringVarP(&description, "description", "d", "", "what the stream is for")
	c.Flags().StringArrayVarP(&tags, "tag", "t", nil, "a tag; may be given several times")
	return c
}

func (a *app) gen1ListStreams() *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "list", Short: "List streams, or show one",
		Example: `  strm streams list
  strm streams list -n demo`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			if name != "" {
				out, err := s.Stream(s.ctx, name)
				if err != nil {
					return err
				}
				return s.print(render.Gen1Stream(out))
			}
			list, err := s.Streams(s.ctx)
			if err != nil {
				return err
			}
			return s.print(render.Gen1Streams(list))
		},
	}
	c.Flags().StringVarP(&name, "name", "n", "", "show this stream only")
	completeWith(c, "name", a.names(-1, streamNames))
	return c
}

func (a *app) gen1DeleteStream() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Delete a stream with all events in it",
		Example: `  strm streams delete demo`,
		Args:    args(1, 1, "one NAME"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			if err := s.DeleteStream(s.ctx, args[0], false); err != nil {
				return err
			}
			return sayGen1(cmd, fmt.Sprintf("Stream '%s' has been deleted.", args[0]))
		},
	}
}
