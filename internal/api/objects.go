package api

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/problem"
)

const objectsPath = exporterPath + "/objects"

// maxObjects bounds the objects that are sent at one time.
const maxObjects = 32

// object answers with the bytes of a delivered object as they are stored, read
// with the sink's credentials. Like events it is not huma's. The length is what
// the store says; a connection that breaks means that something is missing.
func (s *server) object(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	for name, values := range v {
		if name != "key" && name != "stream" || len(values) != 1 {
			s.refuse(w, r, problem.New(problem.Invalid, "query parameter %q: give key, and perhaps stream, once", name))
			return
		}
	}
	if v.Get("key") == "" {
		s.refuse(w, r, problem.New(problem.Invalid, "give key: the key of a stored object of the batch exporter"))
		return
	}
	select {
	case s.objects <- struct{}{}:
		defer func() { <-s.objects }()
	default:
		s.refuse(w, r, problem.New(problem.Busy, "%d objects are being read, which is the limit", maxObjects))
		return
	}
	ctx, cancel := s.untilStopping(r.Context())
	defer cancel()
	body, size, err := s.Control.Object(ctx, v.Get("stream"), r.PathValue("name"), v.Get("key"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer body.Close() //nolint:errcheck // only read
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	out := &patient{w: w, control: http.NewResponseController(w)}
	n, err := io.CopyN(out, body, size)
	if err == nil || out.gone || r.Context().Err() != nil {
		return
	}
	if errors.Is(err, io.EOF) {
		err = problem.New(problem.Corrupt, "the object ends after %d of %d bytes", n, size)
	}
	s.Logger.LogAttrs(ctx, slog.LevelWarn, "reading of an object broken off", slog.String("key", v.Get("key")), slog.String("error", err.Error()))
	panic(http.ErrAbortHandler)
}

// patient bounds each write in time, not the whole.
type patient struct {
	w       http.ResponseWriter
	control *http.ResponseController
	gone    bool // the reader
}

// Write sends b.
func (p *patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(tailWrite)) // best effort: without one it is only slower to give up
	n, err := p.w.Write(b)
	p.gone = err != nil
	return n, err
}

// describeObjects adds to the document what huma does not see.
func describeObjects(doc *huma.OpenAPI) {
	text := doc.Components.Schemas.Schema(reflect.TypeFor[string](), true, "")
	op := operation(http.MethodGet, objectsPath, "read-object", exportersTag, "Read a delivered object as it is stored, with the sink's credentials")
	op.Description = "Only keys that the ledger has as stored. The sink's credentials must permit reading (s3:GetObject)."
	op.Security = []map[string][]string{{securityScheme: {}}}
	op.Parameters = []*huma.Param{
		{Name: "name", In: "path", Required: true, Description: "Name of the batch exporter, or STREAM/NAME with the slash escaped", Schema: text},
		{Name: "stream", In: "query", Description: "Its stream; needed where several streams have an exporter of that name", Schema: text},
		{Name: "key", In: "query", Required: true, Description: "Key of the object", Schema: text},
	}
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "The bytes; a connection that breaks means that something is missing",
			Content:     map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		},
		"default": problemResponse(doc),
	}
	doc.AddOperation(&op)
}
