// Package cli is the strm command line: thin commands over the control API.
//
// A command parses its flags, asks the server through apiclient, and prints a
// view of package render. Nothing here decides anything the server should.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Deps is all that the commands touch of the process they run in.
type Deps struct {
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Env     []string // as os.Environ gives it
	Version string
	Extra   []*cobra.Command // joined to the root beside the client's commands
}

// New returns the root command. Errors are returned by Execute, not printed;
// Main does both.
func New(d Deps) *cobra.Command {
	root, _ := newRoot(d)
	return root
}

// newRoot also returns the app, for what Main needs after the command ran.
func newRoot(d Deps) (*cobra.Command, *app) {
	a := &app{deps: d}
	root := &cobra.Command{
		Use:   "strm",
		Short: "Your event stream, in your bucket. Exactly once.",
		Long: `strm carries event streams into S3 buckets, every event exactly once.

These commands talk to a strm server over HTTP. They find it by --server or
STRM_SERVER, and their token by --token, --token-file, STRM_TOKEN or, for a
server on this machine, in its data directory.`,
		Example: `  strm create stream demo
  strm create sink s3 my-bucket --credentials-file s3.json
  strm create batch-exporter demo --sink s3 --path-prefix events
  strm simulate demo --rate 100 --count 1000
  strm flush s3-demo --wait
  strm verify batch-exporter s3-demo`,
		Version:       d.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(d.Stdin)
	root.SetOut(d.Stdout)
	root.SetErr(d.Stderr)
	root.SetVersionTemplate("strm {{.Version}}\n")
	a.addConnectionFlags(root)
	root.AddCommand(commands(a)...)
	root.AddCommand(d.Extra...)
	root.InitDefaultCompletionCmd()
	a.arm(root)
	return root, a
}

// commands is the one list of the client's commands. Those that run a server
// (serve, demo) are added here too, by a line each, or come as Deps.Extra.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		a.group("create", "Create a stream, source, sink, batch exporter or batch importer",
			a.createStream(), a.createSource(), a.createSink(), a.createExporter(), a.createImporter()),
		a.group("list", "List streams, sources, sinks, batch exporters, batches, batch importers, imports or nodes",
			a.listStreams(), a.listSources(), a.listSinks(), a.listExporters(), a.listBatches(), a.listImporters(), a.listImports(), a.listNodes()),
		a.group("get", "Show a stream, source, sink, batch exporter, batch, batch importer or import",
			a.getStream(), a.getSource(), a.getSink(), a.getExporter(), a.getBatch(), a.getImporter(), a.getImport()),
		a.group("update", "Change a stream, source, sink, batch exporter or batch importer",
			a.updateStream(), a.updateSource(), a.updateSink(), a.updateExporter(), a.updateImporter()),
		a.group("delete", "Delete a stream, source, sink, batch exporter or batch importer",
			a.deleteStream(), a.deleteSource(), a.deleteSink(), a.deleteExporter(), a.deleteImporter()),
		a.group("cancel", "Give up a replay", a.cancelReplay()),
		a.group("test", "Try a sink", a.testSink()),
		a.flush(), a.pause(), a.resume(), a.replay(), a.verify(), a.policy(), a.download(),
		a.send(), a.simulate(), a.tail(), a.version(),
		a.gen1Sinks(), a.gen1Exporters(), a.gen1Streams(),
		a.serve(), a.initialise(), a.migrate(), a.demo(), a.airbyte(),
	}
}

// Main runs the command line in this process and returns the exit code: 0 for
// success, 1 for a failure, 2 for wrong usage or input, 3 when the server or
// something else of the surroundings is missing. A first interrupt ends the
// command in order, a second at once.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	code := run(ctx, Deps{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Env: os.Environ(), Version: buildVersion()}, args)
	if code == exitTerminated {
		// Who sent the signal expects to see it. Process 1 of a container is not
		// ended by its own signal: then the code says it.
		stop()
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err == nil {
			time.Sleep(time.Second)
		}
	}
	return code
}

// run executes one command line and reports its error.
func run(ctx context.Context, d Deps, args []string) int {
	root, a := newRoot(d)
	root.SetArgs(normalise(args))
	err := root.ExecuteContext(ctx)
	a.close()
	if err == nil {
		return 0
	}
	var q *quietError
	if !errors.As(err, &q) {
		_, _ = fmt.Fprintln(d.Stderr, "Error: "+a.explain(err)) // where else could it be told?
	}
	return a.exitCode(err)
}
