package api

import (
	"bufio"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"strm/internal/control"
	"strm/internal/problem"
)

const eventsPath = "/v1/streams/{stream}/events"

// tailWrite is how long a reader may take for what it is sent at once, before
// it counts as gone.
const tailWrite = 30 * time.Second

// events answers with the events of a stream, a line each. It is not huma's,
// as its answer has no end. The status is sent with the first events; a
// failure after that breaks the connection, so that nobody takes the part for
// the whole.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	q, envelope, err := readTailQuery(r.URL.Query())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	select {
	case s.tails <- struct{}{}:
		defer func() { <-s.tails }()
	default:
		s.refuse(w, r, problem.New(problem.Busy, "%d readings of events are running, which is the limit", maxTails))
		return
	}
	ctx, cancel := s.untilStopping(r.Context())
	defer cancel()
	tail, err := s.Control.Tail(ctx, r.PathValue("stream"), q)
	if err != nil {
		s.refuse(w, r, err)
		return
	}

	out := &tailWriter{w: w, control: http.NewResponseController(w)}
	buf := bufio.NewWriterSize(out, 32<<10)
	var line []byte
	err = tail.Each(ctx, func(e control.TailEvent) error {
		line = line[:0]
		if envelope {
			line = append(line, `{"partition":`...)
			line = strconv.AppendInt(line, int64(e.Partition), 10)
			line = append(line, `,"offset":`...)
			line = strconv.AppendInt(line, int64(e.Offset), 10)
			line = append(line, `,"event":`...)
		}
		line = append(line, e.JSON...)
		if envelope {
			line = append(line, '}')
		}
		_, err := buf.Write(append(line, '\n'))
		return err
	}, func() error {
		if err := buf.Flush(); err != nil {
			return err
		}
		return out.flush()
	})
	switch {
	case err == nil:
	case errors.Is(err, errReaderGone) || r.Context().Err() != nil:
	case !out.begun:
		s.refuse(w, r, err)
	default:
		s.Logger.LogAttrs(ctx, slog.LevelWarn, "reading of events broken off",
			slog.String("stream", r.PathValue("stream")), slog.String("error", err.Error()))
		panic(http.ErrAbortHandler)
	}
}

// errReaderGone: the connection took no more.
var errReaderGone = errors.New("the reader has gone")

// tailWriter sends the header with the first byte and bounds each write in time.
type tailWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (t *tailWriter) begin() {
	if !t.begun {
		t.begun = true
		t.w.Header().Set("Content-Type", "application/x-ndjson")
		t.w.WriteHeader(http.StatusOK)
	}
}

// Write sends b.
func (t *tailWriter) Write(b []byte) (int, error) {
	t.begin()
	t.deadline(time.Now().Add(tailWrite))
	defer t.deadline(time.Time{}) // none while there is nothing to send
	n, err := t.w.Write(b)
	if err != nil {
		err = errors.Join(errReaderGone, err)
	}
	return n, err
}

func (t *tailWriter) flush() error {
	t.begin()
	t.deadline(time.Now().Add(tailWrite))
	defer t.deadline(time.Time{})
	if err := t.control.Flush(); err != nil {
		return errors.Join(errReaderGone, err)
	}
	return nil
}

// deadline is best effort: a connection without one is only slower to give up.
func (t *tailWriter) deadline(at time.Time) { _ = t.control.SetWriteDeadline(at) }

// readTailQuery reads the query of GET .../events. Without from, a reading that
// follows begins now, and one that ends begins with the oldest event.
func readTailQuery(v url.Values) (q control.TailQuery, envelope bool, err error) {
	q.Partition = -1
	from := ""
	for name, values := range v {
		if len(values) != 1 {
			return q, false, problem.New(problem.Invalid, "query parameter %s is given %d times", name, len(values))
		}
		value, bad := values[0], false
		switch name {
		case "from":
			from = value
		case "follow":
			q.Follow, err = strconv.ParseBool(value)
		case "envelope":
			envelope, err = strconv.ParseBool(value)
		case "limit":
			q.Limit, err = strconv.ParseInt(value, 10, 64)
			bad = q.Limit < 0
		case "partition":
			q.Partition, err = strconv.Atoi(value)
			bad = q.Partition < 0
		default:
			return q, false, problem.New(problem.Invalid, "query parameter %q is not known; use from, follow, limit, partition, envelope", name)
		}
		if err != nil || bad {
			return q, false, problem.New(problem.Invalid, "query parameter %s: %q makes no sense there", name, value)
		}
	}
	switch from {
	case "":
		q.Start.Existing = !q.Follow
	case "earliest":
		q.Start.Existing = true
	case "latest":
	default:
		if q.Start.From, err = time.Parse(time.RFC3339, from); err != nil {
			return q, false, problem.New(problem.Invalid, "from %q: use earliest, latest or a time such as 2026-01-31T12:00:00Z", from)
		}
	}
	return q, envelope, nil
}

// describeEvents adds to the document what huma does not see.
func describeEvents(doc *huma.OpenAPI) {
	query := func(name, typ, what string) *huma.Param {
		return &huma.Param{Name: name, In: "query", Description: what, Schema: &huma.Schema{Type: typ}}
	}
	op := operation(http.MethodGet, eventsPath, "read-events", "streams", "Read the events of a stream, one a line")
	op.Security = []map[string][]string{{securityScheme: {}}}
	op.Parameters = []*huma.Param{
		{Name: "stream", In: "path", Required: true, Description: "Name of the stream", Schema: doc.Components.Schemas.Schema(reflect.TypeFor[string](), true, "")},
		query("from", huma.TypeString, "earliest, latest or an RFC 3339 time; if left out, latest with follow and earliest without"),
		query("follow", huma.TypeBoolean, "Go on with events as they are accepted"),
		query("limit", huma.TypeInteger, "Stop after so many events"),
		query("partition", huma.TypeInteger, "Only this partition"),
		query("envelope", huma.TypeBoolean, `Wrap each event: {"partition":0,"offset":0,"event":{}}`),
	}
	op.Responses = map[string]*huma.Response{
		"200": {
			Description: "Newline-delimited JSON; a connection that breaks means that something is missing",
			Content:     map[string]*huma.MediaType{"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}},
		},
		"default": problemResponse(doc),
	}
	doc.AddOperation(&op)
}
