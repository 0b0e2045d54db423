package cli

import (
	"context"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/internal/cli/render"
)

func (a *app) pause() *cobra.Command {
	c := a.switcher("pause", "Stop a batch exporter from planning and delivering",
		"Stop a batch exporter from planning and delivering. The stream keeps its events until it goes on.", (*apiclient.Client).Pause)
	c.AddCommand(a.importerSwitch("pause", "Stop a batch importer from beginning with files",
		"Stop a batch importer from beginning with files. It learns of new ones all the same.", (*apiclient.Client).PauseImporter))
	return c
}

func (a *app) resume() *cobra.Command {
	c := a.switcher("resume", "Let a batch exporter go on",
		"Let a paused batch exporter go on, and a blocked one try again at once.", (*apiclient.Client).Resume)
	c.AddCommand(a.importerSwitch("resume", "Let a batch importer go on", "Let a paused batch importer go on. Files that wait after a failure are tried again at once.", (*apiclient.Client).ResumeImporter))
	return c
}

// switcher returns a command that takes names directly, or after the word
// batch-exporter.
func (a *app) switcher(verb, short, long string, do func(*apiclient.Client, context.Context, string) (apiv1.Exporter, error)) *cobra.Command {
	run := a.each(func(s *session, name string) error {
		out, err := do(s.Client, s.ctx, name)
		if err != nil {
			return err
		}
		return s.print(render.Exporter(s.inst, out))
	})
	return a.exporterVerb(verb, short, long, run)
}

// exporterVerb builds `strm VERB NAME...` and `strm VERB batch-exporter NAME...`.
func (a *app) exporterVerb(verb, short, long string, run func(*cobra.Command, []string) error) *cobra.Command {
	example := "  strm " + verb + " batch-exporter s3-demo\n  strm " + verb + " demo/s3-demo"
	c := &cobra.Command{
		Use: verb + " NAME...", Short: short, Long: long, Example: example,
		Args: args(1, -1, "at least one NAME of a batch exporter"), ValidArgsFunction: a.names(-1, exporterNames), RunE: run,
	}
	c.AddCommand(&cobra.Command{
		Use: "batch-exporter NAME...", Aliases: []string{"batch-exporters"}, Short: short, Long: long, Example: example,
		Args: args(1, -1, "at least one NAME"), ValidArgsFunction: a.names(-1, exporterNames), RunE: run,
	})
	return c
}
