// Package secrets keeps the two files that all nodes of an installation are
// given: the token of the control plane and the keys that seal credentials.
package secrets

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strm/internal/durable"
	"strm/internal/problem"
	"strm/internal/seal"
)

// The names of the files.
const (
	TokenFile = "admin.token"
	KeysFile  = "seal.keys"
)

// Secrets are what the files hold.
type Secrets struct {
	Token  string // of the control plane
	Sealer *seal.Sealer
}

// Open reads the secrets of the directory, and makes what is missing if create
// says so; otherwise that is kind NotFound. Files that others may read are
// refused. Two processes that make them at once end with the same ones.
func Open(dir string, create bool) (Secrets, error) {
	var s Secrets
	var err error
	token, keys := filepath.Join(dir, TokenFile), filepath.Join(dir, KeysFile)
	if s.Token, err = readToken(token); errors.Is(err, fs.ErrNotExist) {
		if !create {
			return s, missing(token)
		}
		if err := createToken(token); err != nil && problem.KindOf(err) != problem.Conflict {
			return s, err
		}
		s.Token, err = readToken(token)
	}
	if err != nil {
		return s, err
	}
	if create {
		s.Sealer, err = seal.Open(keys)
	} else if s.Sealer, err = seal.Read(keys); problem.KindOf(err) == problem.NotFound {
		return s, missing(keys)
	}
	return s, err
}

func missing(path string) error {
	return problem.New(problem.NotFound, "there is no %s. Nodes that share a PostgreSQL share their secrets too: make them once with "+
		`"strm init --secrets DIR", give every node a copy of that directory, and start it with --secrets`, path)
}

// Init makes the secrets of a new installation in dir, which it makes too, and
// returns the paths of the files that it made. What is there already is left
// alone; if nothing is missing that is kind Conflict.
func Init(dir string) (made []string, err error) {
	if err := durable.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.New(problem.Unavailable, "directory for secrets: %w", err)
	}
	for _, f := range []struct {
		name   string
		create func(path string) error
	}{{TokenFile, createToken}, {KeysFile, seal.Create}} {
		path := filepath.Join(dir, f.name)
		switch err := f.create(path); {
		case err == nil:
			made = append(made, path)
		case problem.KindOf(err) != problem.Conflict:
			return made, err
		}
	}
	if len(made) == 0 {
		return nil, problem.New(problem.Conflict, "%s holds %s and %s already; nothing was changed", dir, TokenFile, KeysFile)
	}
	return made, nil
}

// Copy gives the directory to the secrets of the directory from, as they are. A
// file that is there and differs is kind Conflict.
func Copy(from, to string) error {
	if err := durable.MkdirAll(to, 0o700); err != nil {
		return problem.New(problem.Unavailable, "directory for secrets: %w", err)
	}
	for _, name := range []string{TokenFile, KeysFile} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return fmt.Errorf("secrets: %w", err)
		}
		path := filepath.Join(to, name)
		err = durable.CreateFile(path, text, 0o600)
		if errors.Is(err, fs.ErrExist) {
			have, rerr := os.ReadFile(path)
			switch {
			case rerr != nil:
				err = rerr
			case !bytes.Equal(have, text):
				return problem.New(problem.Conflict, "%s is there already and is not that of %s: give another directory (--secrets), or remove the file", path, from)
			default:
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("secrets: %w", err)
		}
	}
	return nil
}

func readToken(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return "", problem.New(problem.Invalid, "%s can be read by others (mode %04o): chmod 600 it, or remove it to have a new one made", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < 20 {
		return "", problem.New(problem.Invalid, "%s holds no token; remove the file and start again to have one made", path)
	}
	return token, nil
}

// createToken makes a token. If the process dies meanwhile, the file is there
// whole or not at all.
func createToken(path string) error {
	var r [32]byte
	_, _ = rand.Read(r[:]) // never fails: crypto/rand ends the process rather than return an error
	token := "strm_admin_" + base64.RawURLEncoding.EncodeToString(r[:])
	err := durable.CreateFile(path, []byte(token+"\n"), 0o600)
	if errors.Is(err, fs.ErrExist) {
		return problem.New(problem.Conflict, "%s is there already", path)
	}
	if err != nil {
		return fmt.Errorf("admin token: %w", err)
	}
	return nil
}

// tokenRounds makes guessing a token that somebody thought up dear.
const tokenRounds = 200_000

// TokenFingerprint returns a text by which the token is known again, in this
// installation only. Who reads it cannot tell the token.
func TokenFingerprint(token, installation string) (string, error) {
	sum, err := pbkdf2.Key(sha256.New, token, []byte("strm: fingerprint of an admin token, 1: "+installation), tokenRounds, 16)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(sum), nil
}
