package notices

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"strm/internal/collect/body"
	"strm/internal/notice"
	"strm/internal/problem"
	"strm/internal/stream"
)

// Ledger is the part of importer.Ledger that notices need, with its duties.
type Ledger interface {
	ImporterByToken(ctx context.Context, token string) (stream.Importer, error)
	Noticed(ctx context.Context, importerID, via string, at time.Time, files []notice.File) (int, error)
	SetSubscription(ctx context.Context, importerID string, s stream.Subscription) error
	SetTested(ctx context.Context, importerID string, at time.Time, bucket string) error
}

// Verifier finds out whether a message comes from a topic (package notice/sns).
// The kinds of its errors say whether the same message may pass later (Unavailable) or not.
type Verifier interface {
	Verify(ctx context.Context, body []byte, topicARN string) (notice.Envelope, error)
	Confirm(ctx context.Context, e *notice.Envelope) (subscriptionARN string, err error)
}

// Outcome is what became of a request.
type Outcome string

// The outcomes.
const (
	Recorded     Outcome = "recorded"     // it named files of the importer, new or known
	Unwanted     Outcome = "unwanted"     // it named none of them
	Unreadable   Outcome = "unreadable"   // from the topic, but with records that nobody understands
	Tested       Outcome = "test_event"   // the bucket is configured to notify
	Confirmed    Outcome = "confirmed"    // a subscription is
	Unsubscribed Outcome = "unsubscribed" // it has ended
	Repeated     Outcome = "repeated"     // a (un)subscription that was noted already
	Raw          Outcome = "raw"          // without a signature
	Refused      Outcome = "refused"      // for good
	Failed       Outcome = "failed"       // by trouble of ours or of SNS
	Overloaded   Outcome = "overloaded"
	Unknown      Outcome = "unknown_endpoint" // or method
)

// Deps are what the handler works with.
type Deps struct {
	Ledger   Ledger
	Verifier Verifier
	// Bucket returns the name of the bucket of the importer's sink.
	Bucket func(ctx context.Context, i stream.Importer) (string, error)
	// Subscribing is held while a subscription is read, changed and stored. Nil
	// where there is one node.
	Subscribing Locker
	// Wake is called when files were recorded that were not known. It must not block.
	Wake func()
	// Observe is told what became of each request; importer is a name, empty if
	// there is none. May be nil.
	Observe func(importer string, o Outcome)
	Logger  *slog.Logger // may be nil
}

// Limits of requests.
const (
	maxBody  = 512 << 10 // bytes; SNS carries 256 KB, which JSON escapes
	maxToken = 200
	atOnce   = 64 // requests; with maxBody a bound on memory
	bodyTime = 8 * time.Second
)

// Handler serves the endpoints. It is safe for concurrent use.
type Handler struct {
	Deps
	room chan struct{} // one for each running request
}

// Locker is a lock that holds among all nodes, and that somebody may wait for as
// long as his context.
type Locker interface {
	Lock(ctx context.Context) (unlock func(), err error)
}

// memoryLock is a Locker of one process.
type memoryLock chan struct{}

func (l memoryLock) Lock(ctx context.Context) (unlock func(), err error) {
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// New returns a Handler.
func New(d Deps) *Handler {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Observe == nil {
		d.Observe = func(string, Outcome) {}
	}
	if d.Subscribing == nil {
		d.Subscribing = make(memoryLock, 1)
	}
	return &Handler{Deps: d, room: make(chan struct{}, atOnce)}
}

// path begins the path of an endpoint; the token follows.
const path = "/notices/"

// Register adds the route.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.HandleFunc(path+"{token}", h.serve)
}

// Endpoint returns the path of the endpoint with a token.
func Endpoint(token string) string { return path + token }

// LogPath returns a path as it may stand in a log: the token is a secret.
func LogPath(p string) string {
	if i := strings.Index(p, path); i >= 0 {
		return p[:i] + path + "***"
	}
	return p
}

// answer is a status and the words that go with it.
type answer struct {
	status  int
	outcome Outcome
	text    string
	cause   error // for the log; may be nil
}

// serve answers one request. It never says whether a token is nearly right.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	var a answer
	var i stream.Importer
	select {
	case h.room <- struct{}{}:
		i, a = h.take(w, r)
		<-h.room
	default:
		w.Header().Set("Retry-After", "2")
		a = answer{status: http.StatusTooManyRequests, outcome: Overloaded, text: "too many messages at once: send again"}
	}
	h.Observe(i.Name, a.outcome)
	h.log(r, i, a)
	if a.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text+"\n") // the sender is gone: it will send again
}

// log tells what a person should see of a request. Neither its path nor its body
// is shown: they hold tokens.
func (h *Handler) log(r *http.Request, i stream.Importer, a answer) {
	level := slog.LevelDebug
	switch a.outcome {
	case Unsubscribed, Raw, Refused, Failed, Unreadable:
		level = slog.LevelWarn
	case Confirmed, Tested:
		level = slog.LevelInfo
	case Recorded, Unwanted, Repeated, Unknown, Overloaded: // often, or by anybody
	}
	attrs := []slog.Attr{slog.String("importer", i.Name), slog.String("outcome", string(a.outcome)), slog.Int("status", a.status), slog.String("answer", a.text)}
	if a.cause != nil {
		text := a.cause.Error()
		if token := r.PathValue("token"); token != "" { // should somebody's error repeat what was looked up
			text = strings.ReplaceAll(text, token, "***")
		}
		attrs = append(attrs, slog.String("error", text))
	}
	h.Logger.LogAttrs(r.Context(), level, "message to a notification endpoint", attrs...)
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) (stream.Importer, answer) {
	if r.Method != http.MethodPost {
		return stream.Importer{}, answer{status: http.StatusMethodNotAllowed, outcome: Unknown, text: "SNS posts to this endpoint; nobody else has business here"}
	}
	arrived := body.Hurry(w, bodyTime)
	i, a := h.importer(r.Context(), r.PathValue("token"))
	if a.status != 0 {
		return i, a
	}
	// An unsigned header may refuse a message, for nothing in it could be believed.
	if strings.EqualFold(r.Header.Get("x-amz-sns-rawdelivery"), "true") {
		return i, h.raw(r.Context(), i)
	}
	b, a := read(w, r)
	if a.status != 0 {
		return i, a
	}
	arrived()
	if i.TopicARN == "" {
		return i, answer{status: http.StatusForbidden, outcome: Refused, text: "this importer takes no notices from a topic"}
	}
	e, err := h.Verifier.Verify(r.Context(), b, i.TopicARN)
	if err != nil {
		if _, bare := notice.Parse(b); bare == nil { // raw delivery without the header, as emulators have it
			return i, h.raw(r.Context(), i)
		}
		return i, refuse(err)
	}
	return i, h.message(r.Context(), i, &e)
}

// importer finds the endpoint's importer. One that is paused is told of files all
// the same; one that is deleted has no endpoint.
func (h *Handler) importer(ctx context.Context, token string) (stream.Importer, answer) {
	unknown := answer{status: http.StatusNotFound, outcome: Unknown, text: "there is no such endpoint"}
	if len(token) > maxToken {
		return stream.Importer{}, unknown
	}
	i, err := h.Ledger.ImporterByToken(ctx, token)
	switch {
	case err != nil && problem.KindOf(err) == problem.NotFound:
		return stream.Importer{}, unknown
	case err != nil:
		return stream.Importer{}, later("the endpoint cannot be looked up now", err)
	}
	return i, answer{}
}

func read(w http.ResponseWriter, r *http.Request) ([]byte, answer) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, answer{status: http.StatusRequestEntityTooLarge, outcome: Refused, text: "the message is too large"}
	case err != nil: // cut off, or too slow
		return nil, later("the message did not arrive whole", err)
	}
	return b, answer{}
}

// message does what a verified message asks for.
func (h *Handler) message(ctx context.Context, i stream.Importer, e *notice.Envelope) answer {
	at, err := e.At()
	if err != nil {
		return refuse(err)
	}
	switch e.Type {
	case notice.TypeSubscription:
		return h.subscribe(ctx, i, e, at)
	case notice.TypeUnsubscription:
		return h.unsubscribe(ctx, i, at)
	case notice.TypeNotification:
		if a := h.alive(ctx, i, at); a.status != 0 {
			return a
		}
		return h.notification(ctx, i, e)
	}
	return answer{status: http.StatusBadRequest, outcome: Refused, text: "the message has a type that SNS does not have"}
}

// notification records the files of a notification. If the process dies or the
// answer is lost after Noticed, SNS sends again and nothing is added.
func (h *Handler) notification(ctx context.Context, i stream.Importer, e *notice.Envelope) answer {
	n, err := notice.Parse([]byte(e.Message))
	if err != nil {
		return answer{status: http.StatusBadRequest, outcome: Unreadable, text: "the topic's message is no S3 event notification", cause: err}
	}
	if n.Test != nil {
		return h.tested(ctx, i, *n.Test)
	}
	bucket, err := h.Bucket(ctx, i)
	if err != nil {
		return later("the importer's bucket cannot be looked up now", err)
	}
	var files []notice.File
	for _, f := range n.Files {
		if f.Bucket == bucket && i.Wants(f.Key) {
			files = append(files, f)
		}
	}
	added, err := h.Ledger.Noticed(ctx, i.ID, "sns", time.Now(), files)
	if err != nil {
		return later("the files cannot be recorded now", err)
	}
	if added > 0 {
		h.Wake()
	}
	// A refusal of what else is in it lets a dead-letter queue have it, but must
	// not make of what was recorded something that SNS thinks lost.
	reason, wrong := n.Wrong()
	switch {
	case wrong > 0 && len(n.Files) == 0:
		return answer{status: http.StatusBadRequest, outcome: Unreadable, text: "the records cannot be understood: " + reason}
	case wrong > 0:
		return answer{status: http.StatusOK, outcome: Unreadable, text: "recorded, but for records that cannot be understood: " + reason}
	case len(files) == 0:
		return answer{status: http.StatusOK, outcome: Unwanted, text: "nothing of it is for this importer"}
	}
	return answer{status: http.StatusOK, outcome: Recorded, text: "recorded"}
}

// refuse answers what the Verifier would not have.
func refuse(err error) answer {
	a := answer{outcome: Refused, text: err.Error()}
	switch problem.KindOf(err) {
	case problem.Forbidden, problem.Unauthorized, problem.NotFound, problem.Conflict:
		a.status = http.StatusForbidden
	case problem.Invalid, problem.Corrupt:
		a.status = http.StatusBadRequest
	case problem.TooLarge:
		a.status = http.StatusRequestEntityTooLarge
	case problem.Internal, problem.Busy, problem.Unavailable:
		return later("the message cannot be verified now", err)
	}
	return a
}

func later(what string, cause error) answer {
	return answer{status: http.StatusServiceUnavailable, outcome: Failed, text: what + ": send again", cause: cause}
}
