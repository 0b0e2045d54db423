package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ReadyWithin is how long a server may take from its start to /readyz 200.
const ReadyWithin = 60 * time.Second

// Server is one strm server: a binary, a data directory and an address that
// stay the same while processes come and go.
type Server struct {
	Bin  string
	Dir  string   // its data directory
	Addr string   // host:port
	Args []string // beside --data and --listen
	Env  []string // beside Env()

	proc *Process
	log  *os.File
}

// NewServer describes a server below dir (data in dir/data, output in
// dir/strm.log) on a free port. Nothing is started.
func NewServer(ctx context.Context, bin, dir string, args ...string) (*Server, error) {
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "strm.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of the server: %w", err)
	}
	return &Server{Bin: bin, Dir: filepath.Join(dir, "data"), Addr: addr, Args: args, log: log}, nil
}

// URL returns the server's base URL.
func (s *Server) URL() string { return "http://" + s.Addr }

// Process returns the process of the last Start.
func (s *Server) Process() *Process { return s.proc }

// Start starts the process and returns at once.
func (s *Server) Start() error {
	args := append([]string{"serve", "--data", s.Dir, "--listen", s.Addr}, s.Args...)
	p, err := StartProcess("strm serve", Env(s.Env...), s.log, s.Bin, args...)
	if err != nil {
		return err
	}
	s.proc = p
	return nil
}

// Run starts the process and waits until it is ready.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Start(); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Ready waits until GET /readyz answers 200. A process that ends first is an
// error that carries the end of its log.
func (s *Server) Ready(ctx context.Context) error {
	// A connection of its own: one kept from before a crash would only confuse.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	return Poll(ctx, ReadyWithin, 5*time.Millisecond, "strm to be ready", func(ctx context.Context) (bool, string, error) {
		if st := s.proc.State(); st != nil {
			return false, "", fmt.Errorf("the server ended (%v):\n%s", st, s.LogTail(4<<10))
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/readyz", nil)
		if err != nil {
			return false, "", fmt.Errorf("ask for readiness: %w", err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return false, err.Error(), nil //nolint:nilerr // not listening yet: the poll goes on
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			return false, err.Error(), nil //nolint:nilerr // it answers only half yet: the poll goes on
		}
		return resp.StatusCode == http.StatusOK, fmt.Sprintf("HTTP %d %s", resp.StatusCode, body), nil
	})
}

// Kill is kill -9, and waits until the process is gone.
func (s *Server) Kill() {
	if s.proc != nil {
		s.proc.Kill()
	}
}

// Close kills the process, if it runs, and closes its log.
func (s *Server) Close() error {
	s.Kill()
	return s.log.Close()
}

// Token returns the admin token, which exists once the server has been ready.
func (s *Server) Token() (string, error) {
	return AdminToken(s.Dir)
}

// AdminToken returns the admin token that strm init or a server's first start
// left in a directory of secrets.
func AdminToken(secrets string) (string, error) {
	b, err := os.ReadFile(filepath.Join(secrets, "admin.token"))
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// LogTail returns the last n bytes that the server wrote.
func (s *Server) LogTail(n int) string {
	b, err := os.ReadFile(s.log.Name())
	if err != nil {
		return err.Error()
	}
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}

// CLI returns the command line client of this server with its admin token.
func (s *Server) CLI() (*CLI, error) {
	token, err := s.Token()
	if err != nil {
		return nil, err
	}
	return &CLI{Bin: s.Bin, Server: s.URL(), Token: token}, nil
}
