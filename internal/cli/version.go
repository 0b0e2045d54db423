package cli

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"strm/internal/cli/render"
)

// versionTimeout bounds how long a server may take to tell its version.
const versionTimeout = 3 * time.Second

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program and, if it answers, of the server",
		Example: `  strm version
  strm version -o json`,
		Args: args(0, 0, "no argument"), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.load(cmd)
			if err != nil {
				return err
			}
			// A sentence unless a format was asked for: people read it, and the
			// seeds' command did so too.
			f := render.Plain
			if st.Output != "" && a.outputGiven(cmd) {
				if f, err = render.ParseFormat(st.Output); err != nil {
					return err
				}
			}
			server, inst := "", ""
			if c, err := a.connect(cmd); err == nil {
				// A server that does not answer, or not to us, is no failure here.
				ctx, cancel := context.WithTimeout(cmd.Context(), versionTimeout)
				defer cancel()
				if info, err := c.Info(ctx); err == nil {
					server, inst = info.Version, info.Installation
				}
			}
			return render.Version(a.deps.Version, server, inst).Write(cmd.OutOrStdout(), f)
		},
	}
}

// outputGiven reports whether -o was given on the command line.
func (a *app) outputGiven(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("output")
	return f != nil && f.Changed
}

// buildVersion returns the version that the Go tool built in.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "dev"
	}
	return info.Main.Version
}
