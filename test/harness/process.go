package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a child process that never outlives its parent (on Linux even if
// the parent is killed) and whose end can be waited for by several goroutines.
type Process struct {
	Name string
	cmd  *exec.Cmd
	gone chan struct{} // closed after the process was reaped
	err  error         // of Wait; read after gone
	once sync.Once
}

// StartProcess starts a program. Its output goes to log (appended), its
// environment is env as given.
func StartProcess(name string, env []string, log *os.File, bin string, args ...string) (*Process, error) {
	// A plain command, not a CommandContext: Kill and Stop own its end.
	cmd := exec.Command(bin, args...) //nolint:noctx // see above
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, cmd: cmd, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Gone is closed once the process has ended.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// State returns how the process ended; nil while it runs.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.gone:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Kill ends the process as kill -9 does and waits until it is gone. It may be
// called again, and after the process ended by itself.
func (p *Process) Kill() {
	p.once.Do(func() {
		// The only failure is that it has ended already, which is the aim.
		_ = p.cmd.Process.Signal(syscall.SIGKILL)
	})
	<-p.gone
}

// Stop sends SIGTERM and waits. A process that has not ended within limit, or
// that ends with another status than 0, is an error; it is gone in any case.
func (p *Process) Stop(ctx context.Context, limit time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.Kill()
		return fmt.Errorf("stop %s: %w", p.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	select {
	case <-p.gone:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: still running after SIGTERM: %w", p.Name, ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("stop %s: %w", p.Name, p.err)
	}
	return nil
}

// Terminate sends SIGTERM and returns at once.
func (p *Process) Terminate() {
	// The only failure is that it has ended already.
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
}
