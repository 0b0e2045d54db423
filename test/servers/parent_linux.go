package servers

import "syscall"

// withParent ends the server when this process does, however it does.
func withParent(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}
}
