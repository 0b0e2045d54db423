package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/cli/render"
)

// app is what the commands share: the process around them, and the connection
// once a command needs one.
type app struct {
	deps     Deps
	flags    connectionFlags
	running  bool // a command's own code has begun; errors before it are wrong usage
	settings settings
	loaded   bool
	client   *apiclient.Client
	inst     string
}

// arm makes every command note that it has begun.
func (a *app) arm(c *cobra.Command) {
	if inner := c.RunE; inner != nil {
		c.RunE = func(cmd *cobra.Command, args []string) error {
			a.running = true
			return inner(cmd, args)
		}
	}
	for _, sub := range c.Commands() {
		a.arm(sub)
	}
}

// group returns a command that only holds others.
func (a *app) group(name, short string, subs ...*cobra.Command) *cobra.Command {
	var kinds []string
	var example strings.Builder
	for _, s := range subs {
		kinds = append(kinds, s.Name())
		first, _, _ := strings.Cut(strings.TrimSpace(s.Example), "\n")
		example.WriteString("  " + first + "\n")
	}
	c := &cobra.Command{
		Use: name, Short: short, Example: strings.TrimRight(example.String(), "\n"), Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return usagef("strm %s what? One of: %s", name, strings.Join(kinds, ", "))
		},
	}
	c.AddCommand(subs...)
	return c
}

// connect returns the client, made at the first call from flags, environment
// and files.
func (a *app) connect(cmd *cobra.Command) (*apiclient.Client, error) {
	if a.client != nil {
		return a.client, nil
	}
	s, err := a.load(cmd)
	if err != nil {
		return nil, err
	}
	if err := a.findToken(); err != nil {
		return nil, err
	}
	a.client, err = apiclient.New(apiclient.Options{Server: s.Server, Token: s.Token, CACert: s.CACert, UserAgent: "strm/" + a.deps.Version})
	return a.client, err
}

// close drops the connection.
func (a *app) close() {
	if a.client != nil {
		a.client.Close()
	}
}

// installation returns the server's name for itself, the billingId of the
// seeds' JSON. Formats that do not show it do not ask for it.
func (a *app) installation(cmd *cobra.Command, f render.Format) (string, error) {
	if a.inst != "" || f != render.JSON && f != render.JSONRaw {
		return a.inst, nil
	}
	c, err := a.connect(cmd)
	if err != nil {
		return "", err
	}
	info, err := c.Info(cmd.Context())
	if err != nil {
		return "", err
	}
	a.inst = info.Installation
	return a.inst, nil
}

// session is what most commands begin with.
type session struct {
	*apiclient.Client
	ctx    context.Context
	format render.Format
	inst   string
	out    io.Writer
}

// begin reads the settings, checks the output format before anything is
// changed, and connects.
func (a *app) begin(cmd *cobra.Command) (*session, error) {
	s, err := a.load(cmd)
	if err != nil {
		return nil, err
	}
	f, err := render.ParseFormat(s.Output)
	if err != nil {
		return nil, err
	}
	c, err := a.connect(cmd)
	if err != nil {
		return nil, err
	}
	inst, err := a.installation(cmd, f)
	if err != nil {
		return nil, err
	}
	return &session{Client: c, ctx: cmd.Context(), format: f, inst: inst, out: cmd.OutOrStdout()}, nil
}

// print writes a view in the chosen format.
func (s *session) print(v render.View) error { return v.Write(s.out, s.format) }

// warn writes a line for a person.
func warn(cmd *cobra.Command, format string, args ...any) {
	_, _ = fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...) // standard error is where a fault would be told
}
