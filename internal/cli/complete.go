package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/stream"
)

// completeTimeout bounds how long a shell waits for live names.
const completeTimeout = 1500 * time.Millisecond

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// complete offers fixed values for a flag. The flag must exist.
func complete(cmd *cobra.Command, flag string, values ...string) {
	completeWith(cmd, flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	})
}

func completeWith(cmd *cobra.Command, flag string, f completion) {
	_ = cmd.RegisterFlagCompletionFunc(flag, f) // fails only for a flag that is not there or was registered twice
}

func sinkTypes() []string {
	return []string{string(stream.SinkS3), string(stream.SinkGCS), string(stream.SinkDir)}
}

// names offers what list returns for the first most arguments (all of them
// when negative), without those given already. Whatever fails offers nothing:
// a shell is no place for messages.
func (a *app) names(most int, list func(context.Context, *apiclient.Client) ([]string, error)) completion {
	return func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most >= 0 && len(given) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx := cmd.Context()
		if ctx == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(ctx, completeTimeout)
		defer cancel()
		c, err := a.connect(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := list(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		used := map[string]bool{}
		for _, g := range given {
			used[g] = true
		}
		var out []string
		for _, n := range all {
			if !used[n] {
				out = append(out, n)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

func streamNames(ctx context.Context, c *apiclient.Client) ([]string, error) {
	list, err := c.Streams(ctx)
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out, err
}

func sourceNames(ctx context.Context, c *apiclient.Client) ([]string, error) {
	list, err := c.Sources(ctx)
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out, err
}

func sinkNames(ctx context.Context, c *apiclient.Client) ([]string, error) {
	list, err := c.Sinks(ctx)
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out, err
}

// exporterNames offers STREAM/NAME where a name alone is not enough.
func exporterNames(ctx context.Context, c *apiclient.Client) ([]string, error) {
	list, err := c.Exporters(ctx, "")
	times := map[string]int{}
	for _, e := range list {
		times[e.Name]++
	}
	out := make([]string, 0, len(list))
	for _, e := range list {
		if times[e.Name] > 1 {
			out = append(out, e.Stream+"/"+e.Name)
			continue
		}
		out = append(out, e.Name)
	}
	return out, err
}

func importerNames(ctx context.Context, c *apiclient.Client) ([]string, error) {
	list, err := c.Importers(ctx, "")
	out := make([]string, 0, len(list))
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out, err
}
