//go:build !linux

package servers

import "syscall"

func withParent(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
