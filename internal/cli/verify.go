package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/cli/render"
)

func (a *app) verify() *cobra.Command {
	return a.exporterVerb("verify", "Compare a batch exporter's ledger and bucket with what should be there",
		`Compare a batch exporter's ledger with its stream and, where the credentials
allow reading, every object in the bucket with its plan. Exits with 1 and the
differences if there are any.`,
		a.each(func(s *session, name string) error {
			out, err := s.Verify(s.ctx, name)
			if err != nil {
				return err
			}
			if err := s.print(render.Verification(out)); err != nil {
				return err
			}
			if out.OK {
				return nil
			}
			lines := render.Differences(out.Differences)
			if len(lines) == 0 {
				return fmt.Errorf("batch exporter %s is not as it should be", name)
			}
			return fmt.Errorf("batch exporter %s is not as it should be, differences found: %d\n  %s", name, len(lines), strings.Join(lines, "\n  "))
		}))
}
