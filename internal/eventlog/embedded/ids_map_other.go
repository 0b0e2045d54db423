//go:build !unix

package embedded

import "errors"

// mapMemory has nothing to give here: tables lie on the Go heap.
func mapMemory(int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapMemory([]byte) error { return errors.ErrUnsupported }
