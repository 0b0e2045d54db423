package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

// CLI runs strm as a person does, with the server and token in the environment.
type CLI struct {
	Bin    string
	Server string
	Token  string
	Dir    string   // working directory; empty for the present one
	Env    []string // beside Env()
}

// Command returns the command without running it.
func (c *CLI) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Bin, args...)
	cmd.Dir = c.Dir
	cmd.Env = Env(append([]string{"STRM_SERVER=" + c.Server, "STRM_TOKEN=" + c.Token}, c.Env...)...)
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// Run runs a command and returns what it printed on standard output. The error
// of a failed command carries the command and all of its output.
func (c *CLI) Run(ctx context.Context, args ...string) (string, error) {
	cmd := c.Command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("strm %s: %w\n%s%s", strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// JSON runs a command and reads its standard output, one JSON document, into v.
func (c *CLI) JSON(ctx context.Context, v any, args ...string) error {
	out, err := c.Run(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		return fmt.Errorf("strm %s: output is not the JSON that was expected: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
