package cli

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func listCall(token string) call {
	return call{on: "GET /v1/streams", answer: `{"streams":[]}`, token: token}
}

// TestPrecedence: flag before environment before config file before the data
// directory, for the token in either form.
func TestPrecedence(t *testing.T) {
	for _, tt := range []struct {
		name, config, data string
		env                []string
		args               string
		token              string
	}{
		{"config file", "token: from-config\n", "", []string{"STRM_TOKEN="}, "", "from-config"},
		{"environment over config file", "token: from-config\n", "", nil, "", "admin"},
		{"environment's file over config's token", "token: from-config\n", "", []string{"STRM_TOKEN=", "STRM_TOKEN_FILE=HOME/token"}, "", "from-file"},
		{"flag over environment", "", "", nil, "--token from-flag", "from-flag"},
		{"flag's file over environment's token", "", "", nil, "--token-file HOME/token", "from-file"},
		{"flag's token over environment's file", "", "", []string{"STRM_TOKEN=", "STRM_TOKEN_FILE=/does/not/exist"}, "--token from-flag", "from-flag"},
		{"data directory by flag", "", "d", []string{"STRM_TOKEN="}, "--data HOME/d", "from-data"},
		{"data directory by environment", "", "d", []string{"STRM_TOKEN=", "STRM_DATA=HOME/d"}, "", "from-data"},
		{"data directory of the user", "", ".local/share/strm", []string{"STRM_TOKEN="}, "", "from-data"},
		{"a given token over the data directory", "", "d", nil, "--data HOME/d", "admin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, listCall(tt.token))
			f.file("token", "from-file\n")
			if tt.config != "" {
				f.file(".config/strm/config.yaml", tt.config)
			}
			if tt.data != "" {
				f.file(filepath.Join(tt.data, "admin.token"), "from-data\n")
			}
			for _, e := range tt.env {
				f.env = append(f.env, strings.ReplaceAll(e, "HOME/", f.home+"/"))
			}
			if got := f.run("list streams -o json " + strings.ReplaceAll(tt.args, "HOME/", f.home+"/")); got.code != 0 {
				t.Errorf("exit code %d: %s", got.code, got.err)
			}
		})
	}
}

func TestConfigFile(t *testing.T) {
	f := newFake(t, listCall(""), listCall(""))
	path := f.file("c.yaml", "server: "+f.srv.URL+"\noutput: plain\nlisten: ignored\n")
	f.env = []string{"STRM_SERVER="}
	if got := f.run("list streams --config " + path); got.code != 0 || got.out != "" {
		t.Errorf("%+v", got)
	}
	f.env = append(f.env, "STRM_CONFIG="+path, "STRM_OUTPUT=json-raw")
	if got := f.run("list streams"); got.code != 0 || got.out != "{}\n" {
		t.Errorf("%+v", got)
	}
	if got := f.run("list streams --config /does/not/exist"); got.code != exitSurroundings {
		t.Errorf("%+v", got)
	}
	f.file("c.yaml", "\t:broken")
	if got := f.run("list streams"); got.code != exitSurroundings || !strings.Contains(got.err, "config file "+path) {
		t.Errorf("%+v", got)
	}
}

func TestUnauthorized(t *testing.T) {
	refusal := call{on: "GET /v1/streams", status: 401, answer: `{"title":"Unauthorized","detail":"the token is not valid","kind":"unauthorized"}`, token: "wrong"}
	f := newFake(t, refusal)
	got := f.run("list streams -o plain --token wrong")
	if got.code != exitFailure || !strings.Contains(got.err, "the token is not valid") || !strings.Contains(got.err, "The token came from --token or STRM_TOKEN.") || strings.Contains(got.err, "wrong") {
		t.Errorf("%+v", got)
	}
}

func TestNoToken(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("sent a token")
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer srv.Close()
	f := newFake(t)
	f.env = []string{"STRM_TOKEN=", "STRM_SERVER=" + srv.URL, "STRM_DATA=" + f.home + "/nothing"}
	got := f.run("list streams")
	if got.code != exitSurroundings || !strings.Contains(got.err, "No token was given.") || !strings.Contains(got.err, "DATA/admin.token") {
		t.Errorf("%+v", got)
	}
}

// TestRefused: nobody listens.
func TestRefused(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := newFake(t)
	f.stdin = "{}\n"
	for _, line := range []string{"list streams", "send demo", "simulate demo --rate 5", "tail demo", "create stream"} {
		got := f.run(line + " --server " + url)
		if got.code != exitSurroundings || !strings.Contains(got.err, "nothing listens at "+url) || !strings.Contains(got.err, "`strm serve`") {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

func TestBadServer(t *testing.T) {
	f := newFake(t)
	for _, s := range []string{"ftp://x", "http://", "http://u:p@h", "http://h?x=1", "http://[::1"} {
		if got := f.run("list streams --server " + s); got.code != exitUsage || strings.Contains(got.err, "u:p") {
			t.Errorf("%s: %+v", s, got)
		}
	}
}

// TestNotOurServer: answers of something else are told, not swallowed.
func TestNotOurServer(t *testing.T) {
	for _, tt := range []struct {
		status       int
		answer, want string
		code         int
	}{
		{200, "<html>", "not what a strm server sends", exitFailure},
		{302, "", "the server answered 302 Found", exitFailure},
		{502, "bad gateway\nmore", "the server answered 502 Bad Gateway: bad gateway", exitFailure},
		{400, `{"detail":"too short"}`, "Error: too short", exitUsage},
		{413, `{"detail":"too large"}`, "Error: too large", exitUsage},
		{500, `{"title":"Internal Server Error"}`, "Error: Internal Server Error", exitFailure},
	} {
		f := newFake(t, call{on: "GET /v1/streams", status: tt.status, answer: tt.answer, header: map[string]string{"Location": "/elsewhere"}})
		if got := f.run("list streams -o table"); got.code != tt.code || !strings.Contains(got.err, tt.want) {
			t.Errorf("%d: %+v", tt.status, got)
		}
	}
}

// TestTLS: a server with a certificate of its own is trusted by --ca-cert, and
// only by it.
func TestTLS(t *testing.T) {
	f := newFake(t, listCall(""))
	f.srv.Close()
	f.srv = httptest.NewTLSServer(f)
	ca := f.file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.srv.Certificate().Raw})))
	f.srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the client that refuses below
	if got := f.run("list streams -o plain --ca-cert " + ca); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := f.run("list streams -o plain --ca-cert " + f.file("no.pem", "x")); got.code != exitUsage {
		t.Errorf("%+v", got)
	}
	if got := f.run("list streams -o plain"); got.code != exitSurroundings || !strings.Contains(got.err, "certificate") {
		t.Errorf("%+v", got)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			if _, err := w.Write([]byte("{\"a\":1}\n")); err != nil {
				t.Error(err)
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
		stop()
		<-r.Context().Done()
	}))
	defer srv.Close()
	f := newFake(t)
	f.env = []string{"STRM_SERVER=" + srv.URL}
	// An interrupt is how a followed read ends; one that comes before the first
	// line has arrived leaves nothing printed.
	if got := f.runContext(ctx, "tail", "demo"); got.code != 0 || got.err != "" {
		t.Errorf("tail: %+v", got)
	}
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	if got := f.runContext(ctx, "list", "streams", "-o", "plain"); got.code != exitFailure || got.err != "Error: interrupted\n" {
		t.Errorf("list: %+v", got)
	}
}

// TestCompletion offers live names, and nothing at all when anything is wrong.
func TestCompletion(t *testing.T) {
	for _, tt := range []struct {
		words []string
		calls []call
		want  string
	}{
		{[]string{"get", "stream", ""}, []call{{on: "GET /v1/streams", answer: `{"streams":[` + streamJSON + `]}`}}, "demo\n:4\n"},
		{[]string{"get", "stream", "demo", ""}, []call{{on: "GET /v1/streams", answer: `{"streams":[` + streamJSON + `]}`}}, ":4\n"},
		{[]string{"delete", "sink", ""}, []call{{on: "GET /v1/sinks", answer: `{"sinks":[` + sinkJSON + `]}`}}, "s3\n:4\n"},
		{[]string{"flush", ""}, []call{{on: "GET /v1/batch-exporters", answer: `{"batchExporters":[` + exporterJSON + `,` + strings.Replace(exporterJSON, `"stream":"demo"`, `"stream":"b"`, 1) + `]}`}}, "demo/s3-demo\nb/s3-demo\n:4\n"},
		{[]string{"create", "batch-exporter", "demo", "--sink", ""}, []call{{on: "GET /v1/sinks", status: 500}}, ":4\n"},
		{[]string{"create", "sink", "x", "y", "--sink-type", ""}, nil, "S3\nGCLOUD\nDIR\n:4\n"},
		{[]string{"create", "sink", "x", "y", "--credentials-file", ""}, nil, "json\n:8\n"},
		{[]string{"list", "sinks", "-o", ""}, nil, "table\njson\njson-raw\nplain\n:4\n"},
		{[]string{"sinks", "create", ""}, nil, "s3\ngcloud\n:4\n"},
	} {
		f := newFake(t, tt.calls...)
		got := f.runContext(t.Context(), append([]string{"__completeNoDesc"}, tt.words...)...)
		if got.code != 0 || got.out != tt.want {
			t.Errorf("%q: %+v, want %q", tt.words, got, tt.want)
		}
	}
	f := newFake(t)
	f.env = []string{"STRM_SERVER=http://127.0.0.1:1"}
	if got := f.runContext(t.Context(), "__completeNoDesc", "get", "stream", ""); got.code != 0 || got.out != ":4\n" || strings.Contains(got.err, "Error") {
		t.Errorf("without a server: %+v", got)
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		f := newFake(t)
		if got := f.run("completion " + shell); got.code != 0 || !strings.Contains(got.out, "strm") {
			t.Errorf("%s: exit code %d, %d bytes", shell, got.code, len(got.out))
		}
	}
}

// TestHelp: every command of ours has a line, and examples.
func TestHelp(t *testing.T) {
	root := New(Deps{Stdin: strings.NewReader(""), Stdout: os.Stdout, Stderr: os.Stderr, Version: "1"})
	seen := 0
	for _, c := range root.Commands() {
		for _, c := range append(c.Commands(), c) {
			if strings.HasPrefix(c.CommandPath(), "strm completion") || c.Name() == "help" {
				continue
			}
			seen++
			if c.Short == "" || c.Example == "" {
				t.Errorf("%s: short %q, example %q", c.CommandPath(), c.Short, c.Example)
			}
			for _, line := range strings.Split(c.Example, "\n") {
				if !strings.HasPrefix(line, "  ") {
					t.Errorf("%s: example line %q", c.CommandPath(), line)
				}
			}
		}
	}
	if seen < 45 {
		t.Errorf("only %d commands", seen)
	}
}
