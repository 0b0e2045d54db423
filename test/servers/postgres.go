package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"strm/test/harness"
)

// startLimit bounds every start and stop of a server.
const startLimit = 5 * time.Minute

// PostgreSQL is a server of its own on a free port of the loopback interface,
// as safe against crashes as PostgreSQL is by default. It ends with this process.
type PostgreSQL struct {
	dir     string // its own: data, and a socket of which nobody knows
	bin     string
	port    int
	as      *syscall.Credential // nil: as ourselves
	args    []string
	process *exec.Cmd     // nil while stopped
	gone    chan struct{} // closed once process was waited for
}

// Mode is how a server is stopped.
type Mode int

// The modes.
const (
	Fast      Mode = iota // sessions are cut off, everything is written
	Immediate             // as after a power cut, but the processes tell each other
	Kill                  // kill -9 of the server's first process
)

// Postgres starts a server that ends with the test; args are added to its
// command line.
func Postgres(t TB, args ...string) *PostgreSQL {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	p, err := StartPostgres(ctx, args...)
	if err != nil {
		t.Fatalf("PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("PostgreSQL: %v", err)
		}
	})
	return p
}

// StartPostgres makes a server in a directory of its own and waits until it
// answers. The caller owns it until Close.
func StartPostgres(ctx context.Context, args ...string) (*PostgreSQL, error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, err
	}
	p := &PostgreSQL{bin: bin, args: args}
	if p.as, err = anybodyButRoot(); err != nil {
		return nil, err
	}
	// Not a directory of the test: those may be entered by their owner alone.
	if p.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	if err := p.init(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	if err := p.Start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

func (p *PostgreSQL) init(ctx context.Context) error {
	if p.as != nil {
		if err := os.Chown(p.dir, int(p.as.Uid), int(p.as.Gid)); err != nil {
			return err
		}
	}
	var err error
	if p.port, err = freePort(ctx); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "initdb"), "-D", p.data(), "-U", "strm", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = p.dir, &syscall.SysProcAttr{Credential: p.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (p *PostgreSQL) data() string { return filepath.Join(p.dir, "data") }

// URL names the database "postgres" and a user who may do everything and needs
// no password.
func (p *PostgreSQL) URL() string { return p.Database("postgres") }

// Database is URL for a database of another name.
func (p *PostgreSQL) Database(name string) string {
	u := url.URL{Scheme: "postgres", User: url.User("strm"), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)), Path: "/" + name, RawQuery: "sslmode=disable"}
	return u.String()
}

// Exec runs SQL statements on the database "postgres".
func (p *PostgreSQL) Exec(ctx context.Context, sql string) error {
	c, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	return errors.Join(err, c.Close(ctx))
}

// Trust replaces the server's rules of who may log in how (pg_hba.conf).
func (p *PostgreSQL) Trust(ctx context.Context, rules string) error {
	c, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(p.data(), "pg_hba.conf"), []byte(rules), 0o600)
	if err == nil {
		_, err = c.Exec(ctx, "SELECT pg_reload_conf()")
	}
	return errors.Join(err, c.Close(ctx))
}

// Start starts a stopped server and waits until it answers. After a Kill it
// waits for what is left of the one before.
func (p *PostgreSQL) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		if err := p.launch(); err != nil {
			return err
		}
		err := p.answers(ctx)
		if err == nil {
			return nil
		}
		p.end(syscall.SIGQUIT)
		if ctx.Err() != nil {
			return fmt.Errorf("PostgreSQL does not answer: %w\n%s", err, p.logTail())
		}
		// Its predecessor's processes are still there, as a rule.
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%w\n%s", err, p.logTail())
		}
	}
}

func (p *PostgreSQL) launch() error {
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the child has its own
	args := append([]string{"-D", p.data(), "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(p.port),
		"-c", "unix_socket_directories=" + p.dir}, p.args...)
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), args...) //nolint:noctx // Stop owns its end
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = withParent(p.as)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	p.process, p.gone = cmd, make(chan struct{})
	go func(gone chan struct{}) { // ends with the process, which end awaits
		defer close(gone)
		_ = cmd.Wait() // how it ends, its log says
	}(p.gone)
	return nil
}

// answers waits until the server does, or is gone.
func (p *PostgreSQL) answers(ctx context.Context) error {
	for {
		c, err := pgx.Connect(ctx, p.URL())
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-p.gone:
			return errors.New("it ended at once")
		default:
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return err
		}
	}
}

// Stop stops the server and waits until it is gone. A stopped one stays so.
func (p *PostgreSQL) Stop(m Mode) {
	p.end(map[Mode]os.Signal{Fast: syscall.SIGINT, Immediate: syscall.SIGQUIT, Kill: syscall.SIGKILL}[m])
}

func (p *PostgreSQL) end(s os.Signal) {
	if p.process == nil {
		return
	}
	process := p.process.Process
	_ = process.Signal(s) // it has ended already, at worst
	limit := time.AfterFunc(startLimit, func() { _ = process.Kill() })
	<-p.gone
	limit.Stop()
	p.process = nil
}

// Restart stops the server and starts it again.
func (p *PostgreSQL) Restart(ctx context.Context, m Mode) error {
	p.Stop(m)
	return p.Start(ctx)
}

// Close stops the server for good and removes what it had.
func (p *PostgreSQL) Close() error {
	p.Stop(Immediate)
	return os.RemoveAll(p.dir)
}

func (p *PostgreSQL) log() string { return filepath.Join(p.dir, "log") }

// logTail returns the end of what the server has logged.
func (p *PostgreSQL) logTail() string {
	b, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// postgresBin finds the newest version where Debian puts them, or where
// pg_config says.
func postgresBin() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(strings.Split(path, "/")[4]) // a name that is no number is the oldest
			return n
		}
		newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
		return filepath.Dir(newest), nil
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil { //nolint:noctx // it prints a line
		dir := strings.TrimSpace(string(out))
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("there is no PostgreSQL server on this machine; test/integration/install-scale.sh installs one")
}

func freePort(ctx context.Context) (int, error) {
	addrs, err := harness.FreeAddrs(ctx, 1)
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(addrs[0])
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// pause waits a moment between two looks at another process.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
