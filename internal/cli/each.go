package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// each is what commands do that take names: do runs for every one of them, in
// one session.
func (a *app) each(do func(s *session, name string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, names []string) error {
		s, err := a.begin(cmd)
		if err != nil {
			return err
		}
		return each(cmd, names, func(name string) error { return do(s, name) })
	}
}

// each runs do for every name, also after a failure, and returns all failures.
// Deleting three things should not stop at the first that is gone already.
func each(cmd *cobra.Command, names []string, do func(name string) error) error {
	var errs []error
	for _, n := range names {
		if err := cmd.Context().Err(); err != nil {
			errs = append(errs, err)
			break
		}
		if err := do(n); err != nil {
			if len(names) > 1 {
				err = fmt.Errorf("%s: %w", n, err)
			}
			errs = append(errs, err)
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
