package control

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"strm/internal/problem"
)

// The lengths of a write key that somebody brings, in bytes.
const (
	MinWriteKey = 8
	MaxWriteKey = 255
)

// KeyPrefix begins every write key, so that people and secret scanners
// recognise one.
const KeyPrefix = "strm_"

// newWriteKey returns a write key of 256 random bits.
func newWriteKey() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process rather than return an error
	return KeyPrefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// KeyHash returns what is stored of a write key: the hex SHA-256 of the whole
// key, prefix included. A key made here has 256 random bits, so a slow hash adds
// nothing; it is asked for with every request. A key that somebody brings (kinds
// segment and split) stands in the pages of a site anyway.
func KeyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// checkWriteKey refuses a key that could not be sent as a user name of Basic
// authentication, or be guessed at once. The key is in no error.
func checkWriteKey(key string) error {
	if len(key) < MinWriteKey || len(key) > MaxWriteKey {
		return problem.New(problem.Invalid, "the write key is %d bytes long; use %d to %d", len(key), MinWriteKey, MaxWriteKey)
	}
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' || c == ':' {
			return problem.New(problem.Invalid, "the write key holds %q; use visible ASCII characters other than ':'", c)
		}
	}
	return nil
}
