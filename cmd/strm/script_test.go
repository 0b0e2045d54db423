package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"strm/internal/cli"
)

// The scripts in testdata/script are the specification of the command line.
// Each gets a world of its own: a server, an S3 endpoint with two empty
// buckets, and in its directory the credentials file s3.json, as the vendor's
// pages have it.
//
// Beside testscript's own commands there are
//
//	exits CODE strm ARGS...      run strm and compare the exit code
//	bucket ls BUCKET/PREFIX      list objects as `aws s3 ls --recursive` does
//	bucket cat BUCKET/PREFIX     print the objects under the prefix, in order
//	count N FILE                 FILE has N lines
//
// and $IN_HALF_AN_HOUR is the offset of an hourly cut that no script lives to see.

// buckets are the names that the two pages use.
func buckets() []string { return []string{"strmprivacy-export-demo", "stream-machine-export-demo"} }

// world is what a script talks to.
type world struct {
	Server     string // base URL of a running server that allows short intervals
	Token      string // its admin token
	S3Endpoint string // an S3 endpoint with the buckets
	S3JSON     []byte // credentials for it, as `aws iam create-access-key` prints them, with a // comment

	// List and Read look into the buckets without going through strm. List is in
	// order of the keys.
	List func(bucket, prefix string) ([]storedObject, error)
	Read func(bucket, key string) ([]byte, error)
}

type storedObject struct {
	Key      string
	Size     int64
	Modified time.Time
}

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"strm": func() { os.Exit(cli.Main(os.Args[1:])) }})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Setup:               setup,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "bucket": lookInBucket, "count": countLines, "calls": sendCalls,
			"sdk": sendEntries,
		},
	})
}

type worldKey struct{}

func setup(env *testscript.Env) error {
	w, err := startWorld(env)
	if err != nil {
		return err
	}
	env.Values[worldKey{}] = w
	env.Setenv("STRM_SERVER", w.Server)
	env.Setenv("STRM_TOKEN", w.Token)
	env.Setenv("S3_ENDPOINT", w.S3Endpoint)
	later := time.Now().Add(30 * time.Minute)
	env.Setenv("IN_HALF_AN_HOUR", later.Sub(later.Truncate(time.Hour)).Truncate(time.Second).String())
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_CONFIG_HOME", "")
	env.Setenv("XDG_STATE_HOME", "")
	env.Setenv("XDG_DATA_HOME", "")
	return os.WriteFile(env.WorkDir+"/s3.json", w.S3JSON, 0o600)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func lookInBucket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bucket ls|cat BUCKET/PREFIX")
	}
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("there is no world")
	}
	name, prefix, _ := strings.Cut(args[1], "/")
	list, err := w.List(name, prefix)
	ts.Check(err)
	for _, o := range list {
		switch args[0] {
		case "ls":
			_, err = fmt.Fprintf(ts.Stdout(), "%s %10d %s\n", o.Modified.UTC().Format(time.DateTime), o.Size, o.Key)
		case "cat":
			var b []byte
			if b, err = w.Read(name, o.Key); err == nil {
				_, err = ts.Stdout().Write(b)
			}
		default:
			ts.Fatalf("bucket %s?", args[0])
		}
		ts.Check(err)
	}
}

// sendEntries sends a file as an SDK of Split's would.
func sendEntries(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: sdk KEY PATH FILE")
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ts.Getenv("STRM_SERVER")+args[1], strings.NewReader(ts.ReadFile(args[2])))
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+args[0])
	req.Header.Set("SplitSDKVersion", "nodejs-11.11.2")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	body, err := io.ReadAll(resp.Body)
	ts.Check(errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("HTTP %d: %s", resp.StatusCode, body)
	}
}

// sendCalls sends a file as an SDK of Segment's would.
func sendCalls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: calls WRITE_KEY FILE")
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, ts.Getenv("STRM_SERVER")+"/v1/batch", strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	req.SetBasicAuth(args[0], "")
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	body, err := io.ReadAll(resp.Body)
	ts.Check(errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != http.StatusOK || string(body) != "{\"success\":true}\n" {
		ts.Fatalf("HTTP %d: %s", resp.StatusCode, body)
	}
}

func countLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: count N FILE")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); got != want {
		ts.Fatalf("%s has %d lines, want %d", args[1], got, want)
	}
}
