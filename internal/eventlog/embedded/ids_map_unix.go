//go:build unix

package embedded

import "syscall"

// mapMemory gets memory full of zeros from the system.
func mapMemory(bytes int) ([]byte, error) {
	return syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

// unmapMemory gives back all that one call of mapMemory got.
func unmapMemory(mem []byte) error { return syscall.Munmap(mem) }
