package objstore

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// MaxKeyBytes is the longest key the common stores accept, prefix included.
const MaxKeyBytes = 1024

// CheckKey refuses keys that no store can hold: empty, over MaxKeyBytes bytes,
// not UTF-8, or with control characters (which XML listings cannot carry).
// A store may refuse more.
func CheckKey(key string) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if len(key) > MaxKeyBytes {
		return fmt.Errorf("the key has %d bytes, more than %d", len(key), MaxKeyBytes)
	}
	if !utf8.ValidString(key) {
		return errors.New("the key is not valid UTF-8")
	}
	for i, r := range key {
		if r < 0x20 || r == 0x7f {
			return fmt.Errorf("the key has the control character %U at byte %d", r, i)
		}
	}
	return nil
}
