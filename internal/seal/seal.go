// Package seal keeps secrets unreadable at rest: it seals bytes with a key from
// a file that only its owner may read. Sealed data and key file are of use
// together alone: back up both, apart from each other.
package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"strm/internal/problem"
)

// Sealer seals and opens with the keys of one file. Safe for concurrent use.
type Sealer struct {
	path string

	mu   sync.RWMutex
	keys *keyset.Handle
	aead tink.AEAD
}

// Open reads the key file, or creates it with a first key if there is none. A
// file that others may read or change is refused with kind Conflict.
func Open(path string) (*Sealer, error) {
	text, err := readOrCreate(path)
	if err != nil {
		return nil, err
	}
	return decode(path, text)
}

func newKeyset() ([]byte, error) {
	keys, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return encode(keys)
}

func encode(keys *keyset.Handle) ([]byte, error) {
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(keys, keyset.NewJSONWriter(&text)); err != nil {
		return nil, fmt.Errorf("encode the keys: %w", err)
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}

func (s *Sealer) use(keys *keyset.Handle) error {
	a, err := aead.New(keys)
	if err != nil {
		return err
	}
	s.keys, s.aead = keys, a
	return nil
}

// Seal returns plain sealed with the newest key. associated (what the secret
// belongs to, such as the sink's id) is not stored but must be the same to open
// it, so a sealed secret cannot be moved to another place.
func (s *Sealer) Seal(plain, associated []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sealed, err := s.aead.Encrypt(plain, associated)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open returns what was sealed. It fails with kind Conflict if the key is not in
// the file, as after the file was lost, and with kind Corrupt if the data were
// changed or belong to another place.
func (s *Sealer) Open(sealed, associated []byte) ([]byte, error) {
	id, ok := keyID(sealed)
	if !ok {
		return nil, problem.New(problem.Corrupt, "these bytes (%d) are nothing sealed", len(sealed))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.has(id) {
		return nil, problem.New(problem.Conflict,
			"sealed with key %08x, which is not in %s: restore that file from a backup, or give the credentials again", id, s.path)
	}
	plain, err := s.aead.Decrypt(sealed, associated)
	if err != nil {
		return nil, problem.New(problem.Corrupt, "sealed with key %08x, but changed since or sealed for another use", id)
	}
	return plain, nil
}

// A sealed secret is Tink's form: 1, the key's id (4 bytes, big-endian), 12 bytes
// of nonce, the ciphertext, 16 bytes of tag.
const (
	formVersion = 1
	leastSealed = 1 + 4 + 12 + 16
)

func keyID(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < leastSealed || sealed[0] != formVersion {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:]), true
}

func (s *Sealer) has(id uint32) bool {
	for _, k := range s.keys.KeysetInfo().GetKeyInfo() {
		if k.GetKeyId() == id {
			return true
		}
	}
	return false
}

// Rotate adds a key and seals with it from now on. What the older keys sealed
// can still be opened; sealing it anew is the caller's. The new key is durable
// before it is used: if the process dies here, either file is good.
func (s *Sealer) Rotate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := keyset.NewManagerFromHandle(s.keys)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if err := m.SetPrimary(id); err != nil {
		return fmt.Errorf("make key %08x the newest: %w", id, err)
	}
	keys, err := m.Handle()
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	text, err := encode(keys)
	if err != nil {
		return err
	}
	if err := replace(s.path, text); err != nil {
		return err
	}
	return s.use(keys)
}
