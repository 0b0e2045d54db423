package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strm/internal/apiclient"
	"strm/internal/problem"
)

// usageError is a wrong command line.
type usageError struct{ err error }

// Error returns the text of the error inside.
func (e *usageError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// surroundingsError is something outside the command that is missing or broken.
type surroundingsError struct{ err error }

// Error returns the text of the error inside.
func (e *surroundingsError) Error() string { return e.err.Error() }

// Unwrap returns the error inside.
func (e *surroundingsError) Unwrap() error { return e.err }

func surroundings(format string, args ...any) error {
	return &surroundingsError{fmt.Errorf(format, args...)}
}

// quietError fails the command without another word: everything was said.
type quietError struct{}

// Error says that it has been said.
func (*quietError) Error() string { return "reported already" }

// The exit codes.
const (
	exitFailure      = 1
	exitUsage        = 2
	exitSurroundings = 3
	exitTerminated   = 128 + 15 // as shells show the end by SIGTERM
)

// exitCode returns the process's exit code for an error.
func (a *app) exitCode(err error) int {
	var (
		usage  *usageError
		around *surroundingsError
		gone   *apiclient.UnreachableError
		ended  *terminatedError
	)
	switch {
	case errors.As(err, &ended):
		return exitTerminated
	case errors.As(err, &usage) || !a.running:
		return exitUsage
	case errors.As(err, &around), errors.As(err, &gone):
		return exitSurroundings
	}
	switch problem.KindOf(err) {
	case problem.Invalid, problem.TooLarge:
		return exitUsage
	case problem.Unauthorized:
		if a.settings.Token == "" {
			return exitSurroundings
		}
		return exitFailure
	case problem.Internal, problem.Forbidden, problem.NotFound, problem.Conflict, problem.Busy, problem.Corrupt, problem.Unavailable:
		return exitFailure
	}
	return exitFailure
}

// explain returns an error's text with what a person can do about it.
func (a *app) explain(err error) string {
	text := err.Error()
	var gone *apiclient.UnreachableError
	switch {
	case errors.As(err, &gone) && gone.Refused():
		return fmt.Sprintf("nothing listens at %s (connection refused): start a server with `strm serve`, or name another one with --server or STRM_SERVER", gone.Server)
	case errors.As(err, &gone):
		return text + ": is this the right address (--server, STRM_SERVER), and does `strm serve` run there?"
	case problem.KindOf(err) == problem.Unauthorized:
		return text + "\n" + a.tokenHelp()
	case errors.Is(err, context.Canceled):
		return strings.TrimSuffix(strings.ReplaceAll(text, context.Canceled.Error(), "interrupted"), ": interrupted")
	case !a.running:
		return text + "\nSee 'strm --help', or add --help to the command."
	}
	return text
}

// tokenHelp tells how to get a token.
func (a *app) tokenHelp() string {
	s := &a.settings
	if s.tokenFrom != "" {
		return fmt.Sprintf("The token came from %s. Does it belong to the server at %s?", s.tokenFrom, s.Server)
	}
	help := "No token was given. The server writes one to DATA/admin.token at its first start: name that file with --token-file or the " +
		"directory with --data (STRM_DATA), or put the token itself into STRM_TOKEN."
	if len(s.unread) > 0 {
		help += fmt.Sprintf(" (There is %s, but you may not read it.)", strings.Join(s.unread, " and "))
	}
	return help
}

// unknownCommand names what may have been meant.
func unknownCommand(cmd *cobra.Command, word string) error {
	text := fmt.Sprintf("unknown command %q for %q", word, cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if s := cmd.SuggestionsFor(word); len(s) > 0 {
		return usagef("%s. Did you mean %s?", text, strings.Join(s, " or "))
	}
	return usagef("%s; see '%s --help'", text, cmd.CommandPath())
}

// args returns a validator with a message that names the arguments.
func args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		switch {
		case len(got) < least:
			return usagef("%s needs %s", cmd.CommandPath(), names)
		case most >= 0 && len(got) > most:
			return usagef("%s takes %s; %q is too much", cmd.CommandPath(), names, got[most])
		}
		return nil
	}
}
