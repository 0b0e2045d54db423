package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"strm/internal/durable"
	"strm/internal/problem"
)

// Create makes a key file with a first key. A file that is there is kind
// Conflict, and stays as it is.
func Create(path string) error {
	text, err := newKeyset()
	if err != nil {
		return err
	}
	err = durable.CreateFile(path, text, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return problem.New(problem.Conflict, "%s is there already", path)
	}
	if err != nil {
		return fmt.Errorf("create key file %s: %w", path, err)
	}
	return nil
}

// Read is Open for a file that must be there; kind NotFound if it is not.
func Read(path string) (*Sealer, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, problem.New(problem.NotFound, "there is no key file %s", path)
	}
	if err != nil {
		return nil, err
	}
	return decode(path, text)
}

func decode(path string, text []byte) (*Sealer, error) {
	keys, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		// Tink's words are left out: they may quote the file.
		return nil, problem.New(problem.Corrupt, "key file %s is damaged: restore it from a backup", path)
	}
	s := &Sealer{path: path}
	if err := s.use(keys); err != nil {
		return nil, problem.New(problem.Corrupt, "key file %s holds keys of another use: %w", path, err)
	}
	return s, nil
}

// fingerprintOf is what a key's fingerprint says that it is.
const fingerprintOf = "strm: fingerprint of a sealing key, 1"

// Fingerprints returns a text for each key of the file, sorted, by which it is
// known again. It tells nothing of the key, which is 256 random bits: it is an
// HMAC with that key of a text that is nothing sealed.
func (s *Sealer) Fingerprints() ([]string, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	text, err := encode(s.keys)
	if err != nil {
		return nil, err
	}
	var file struct {
		Key []struct {
			KeyID   uint32 `json:"keyId"`
			KeyData struct {
				Value []byte `json:"value"`
			} `json:"keyData"`
		} `json:"key"`
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Key) == 0 {
		return nil, problem.New(problem.Corrupt, "key file %s is damaged: restore it from a backup", s.path)
	}
	var out []string
	for _, k := range file.Key {
		h := hmac.New(sha256.New, k.KeyData.Value)
		_, _ = h.Write([]byte(fingerprintOf)) // never fails
		out = append(out, fmt.Sprintf("%08x:%s", k.KeyID, hex.EncodeToString(h.Sum(nil)[:16])))
	}
	slices.Sort(out)
	return out, nil
}
