package segment

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"strm/internal/problem"
)

// maxScripts bounds what is kept in memory; the package has about 300 kB.
const maxScripts = 16 << 20

// Scripts is analytics.js as the HTML snippet loads it: standalone.js of the npm
// package, and the bundles that it loads in turn.
type Scripts struct {
	standalone *script
	bundles    map[string]*script
}

type script struct {
	plain, gzip []byte
	etag        string
}

// LoadScripts reads the scripts of an unpacked npm package @segment/analytics-next:
// fsys is its directory, or its dist/umd. Errors: kind Invalid, and those of fsys.
func LoadScripts(fsys fs.FS) (*Scripts, error) {
	const first = "standalone.js"
	for _, dir := range []string{".", "dist/umd", "package/dist/umd"} {
		if _, err := fs.Stat(fsys, path.Join(dir, first)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		return loadScripts(fsys, dir, first)
	}
	return nil, problem.New(problem.Invalid, "there is no %s: name the directory dist/umd of the unpacked npm package @segment/analytics-next", first)
}

func loadScripts(fsys fs.FS, dir, first string) (*Scripts, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return nil, err
	}
	s := &Scripts{bundles: map[string]*script{}}
	total := 0
	for _, e := range entries {
		if e.IsDir() || path.Ext(e.Name()) != ".js" {
			continue
		}
		info, err := fs.Stat(fsys, path.Join(dir, e.Name())) // what a link points to
		if err != nil {
			return nil, err
		}
		if total += int(min(info.Size(), maxScripts+1)); total > maxScripts {
			return nil, problem.New(problem.Invalid, "the scripts have more than %d bytes: this is not @segment/analytics-next", maxScripts)
		}
		text, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		one, err := newScript(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		if e.Name() == first {
			s.standalone = one
		} else {
			s.bundles[e.Name()] = one
		}
	}
	if s.standalone == nil { // gone since, or a directory of that name
		return nil, problem.New(problem.Invalid, "%s is no file", first)
	}
	return s, nil
}

func newScript(text []byte) (*script, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return &script{plain: text, gzip: b.Bytes(), etag: `W/"` + hex.EncodeToString(sum[:12]) + `"`}, nil
}

const noScripts = `analytics.js is not part of strm. To serve it from here, get it from npm and name its directory:
  npm pack @segment/analytics-next && tar xf segment-analytics-next-*.tgz
  strm serve --analytics-js package/dist/umd
`

// snippet serves analytics.js. It asks for no key: the settings do, and without
// them the script sends nothing.
func (h *Handler) snippet(w http.ResponseWriter, r *http.Request, _ endpoint) {
	if h.Scripts == nil {
		http.Error(w, noScripts, http.StatusNotFound)
		return
	}
	h.Scripts.standalone.serve(w, r, "public, max-age=3600")
}

// bundle serves what analytics.js loads in turn. The names have a hash in them,
// so a file never changes.
func (h *Handler) bundle(w http.ResponseWriter, r *http.Request, e endpoint) {
	if h.Scripts == nil {
		http.Error(w, noScripts, http.StatusNotFound)
		return
	}
	one := h.Scripts.bundles[e.name]
	if one == nil {
		http.Error(w, "the package that strm serves analytics.js from has no such file", http.StatusNotFound)
		return
	}
	one.serve(w, r, "public, max-age=31536000, immutable")
}

func (s *script) serve(w http.ResponseWriter, r *http.Request, cache string) {
	head := w.Header()
	head.Set("Cache-Control", cache)
	head.Set("ETag", s.etag)
	head.Set("Cross-Origin-Resource-Policy", "cross-origin")
	head.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), s.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := s.plain
	if takesGzip(r) {
		text = s.gzip
		head.Set("Content-Encoding", "gzip")
	}
	head.Set("Content-Type", "text/javascript; charset=utf-8")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // the page has gone
}

// takesGzip reads Accept-Encoding as browsers write it.
func takesGzip(r *http.Request) bool {
	for _, one := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.ReplaceAll(strings.TrimSpace(weight), " ", "") != "q=0"
		}
	}
	return false
}
