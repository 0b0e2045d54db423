package server

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"strm/internal/durable"
	"strm/internal/problem"
)

// adminToken returns the token of the control plane, made at the first start.
// If the process dies while making it, the file is there whole or not at all.
func adminToken(path string) (string, error) {
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
		return "", problem.New(problem.Invalid, "%s can be read by others (mode %04o): chmod 600 it, or remove it to have a new one made", path, info.Mode().Perm())
	}
	b, err := os.ReadFile(path)
	if err == nil {
		token := strings.TrimSpace(string(b))
		if len(token) < 20 {
			return "", problem.New(problem.Invalid, "%s holds no token; remove the file and start again to have one made", path)
		}
		return token, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("admin token: %w", err)
	}
	var r [32]byte
	if _, err := rand.Read(r[:]); err != nil {
		return "", err
	}
	token := "strm_admin_" + base64.RawURLEncoding.EncodeToString(r[:])
	if err := durable.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("admin token: %w", err)
	}
	return token, nil
}
