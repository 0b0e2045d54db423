package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"strm/internal/api/apiv1"
	"strm/internal/cli/render"
)

func (a *app) gen1Exporters() *cobra.Command {
	return a.group("exporters", "Batch exporters, in the older form of the commands",
		a.gen1CreateExporter(), a.gen1ListExporters(), a.gen1GetExporter(), a.gen1DeleteExporter())
}

// sayGen1 prints a sentence of generation 1.
func sayGen1(cmd *cobra.Command, line string) error {
	_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
	return err
}

func (a *app) gen1CreateExporter() *cobra.Command {
	var name, sink, kind, prefix string
	var interval int
	c := &cobra.Command{
		Use: "create STREAM --exporter-name E --sink-name S --sink-type T --interval N", Short: "Create a batch exporter, or change its sink, interval and prefix",
		Example: `  strm exporters create demo --exporter-name s3-export-demo --sink-name s3-export --sink-type s3 --interval 30 --path-prefix events
  strm exporters create demo -en s3-export-demo -sn s3-export -st s3 -i 30 -pp events`,
		Args: args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, need := range [][2]string{{name, "--exporter-name (-en)"}, {sink, "--sink-name (-sn)"}, {kind, "--sink-type (-st)"}} {
				if need[0] == "" {
					return usagef("%s is needed", need[1])
				}
			}
			if interval <= 0 {
				return usagef("--interval (-i) is needed: seconds, from 30 to 86400")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			of, err := s.sinkOfType(sink, kind)
			if err != nil {
				return err
			}
			in := apiv1.CreateExporter{Name: name, Stream: args[0], Sink: sink, PathPrefix: prefix, Interval: fmt.Sprintf("%ds", interval)}
			out, err := s.PutExporter(s.ctx, args[0]+"/"+name, in)
			if err != nil {
				return err
			}
			if err := s.print(render.Gen1Exporter(out, of.Type)); err != nil {
				return err
			}
			return undelivered(out)
		},
	}
	fl := c.Flags()
	fl.StringVar(&name, "exporter-name", "", "name of the exporter (also -en)")
	fl.StringVar(&sink, "sink-name", "", "the sink to deliver to (also -sn)")
	fl.StringVar(&kind, "sink-type", "", "its type (also -st)")
	fl.IntVarP(&interval, "interval", "i", 0, "seconds between batches, 30 to 86400")
	fl.StringVar(&prefix, "path-prefix", "", "put the objects under this prefix (also -pp)")
	completeWith(c, "sink-name", a.names(-1, sinkNames))
	complete(c, "sink-type", gen1TypeNames()...)
	return c
}

func (a *app) gen1ListExporters() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List batch exporters",
		Example: `  strm exporters list`,
		Args:    args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			list, err := s.Exporters(s.ctx, "")
			if err != nil {
				return err
			}
			sinks, err := s.Sinks(s.ctx)
			if err != nil {
				return err
			}
			types := map[string]string{}
			for _, k := range sinks {
				types[k.Name] = k.Type
			}
			return s.print(render.Gen1Exporters(list, types))
		},
	}
}

func (a *app) gen1GetExporter() *cobra.Command {
	return a.gen1OneExporter("get", "Show a batch exporter", func(_ *cobra.Command, s *session, ref string) error {
		out, err := s.Exporter(s.ctx, ref)
		if err != nil {
			return err
		}
		sink, err := s.Sink(s.ctx, out.Sink)
		if err != nil {
			return err
		}
		return s.print(render.Gen1Exporter(out, sink.Type))
	})
}

func (a *app) gen1DeleteExporter() *cobra.Command {
	return a.gen1OneExporter("delete", "Delete a batch exporter", func(cmd *cobra.Command, s *session, ref string) error {
		if err := s.DeleteExporter(s.ctx, ref); err != nil {
			return err
		}
		return sayGen1(cmd, render.Gen1Done)
	})
}

// gen1OneExporter builds a command on STREAM --exporter-name E.
func (a *app) gen1OneExporter(verb, short string, do func(*cobra.Command, *session, string) error) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: verb + " STREAM --exporter-name E", Short: short,
		Example: "  strm exporters " + verb + " demo --exporter-name s3-export-demo\n  strm exporters " + verb + " demo -en s3-export-demo",
		Args:    args(1, 1, "one STREAM"), ValidArgsFunction: a.names(1, streamNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				return usagef("--exporter-name (-en) is needed")
			}
			s, err := a.begin(cmd)
			if err != nil {
				return err
			}
			return do(cmd, s, args[0]+"/"+name)
		},
	}
	c.Flags().StringVar(&name, "exporter-name", "", "name of the exporter (also -en)")
	completeWith(c, "exporter-name", a.names(-1, exporterNames))
	return c
}
