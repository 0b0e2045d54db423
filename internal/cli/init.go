package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"strm/internal/secrets"
)

// initialise makes the secrets of an installation of several nodes.
func (a *app) initialise() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the secrets that all nodes of an installation share",
		Long: `Make the secrets of a new installation: the token of the control plane
(admin.token) and the keys that seal sinks' credentials (seal.keys). Both are
readable for their owner alone. What is there already is never changed.

One machine needs no init: strm serve makes both at its first start. Nodes that
share a PostgreSQL must all be given the same two files: run this once, and copy
the directory to each node as you copy other secrets. The catalog knows both by
fingerprints; a node that was given others refuses to start. Keep a copy of
seal.keys apart from the database: without it sinks must be created again.`,
		Example: `  strm init --secrets /etc/strm/secrets
  strm init --secrets secrets && strm serve --secrets secrets --log kafka://... --catalog postgres://...`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.fill(cmd); err != nil {
				return err
			}
			if dir == "" {
				if dir = a.settings.Data; dir == "" {
					dir = defaultData
				}
			}
			made, err := secrets.Init(dir)
			for _, path := range made {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), "made "+path); err != nil {
					return err
				}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "secrets", "", "directory for the secrets, made if absent (env STRM_SECRETS; default: the data directory)")
	_ = cmd.MarkFlagDirname("secrets") // the flag exists: it was made above
	return cmd
}
