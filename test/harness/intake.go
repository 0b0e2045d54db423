package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Intake posts events with a source's write key.
type Intake struct {
	Server string // base URL
	Stream string
	Key    string // write key
	Client *http.Client

	// Segment: speak Segment's tracking API. Stream is not looked at then, and
	// the answer does not tell how many events were accepted.
	Segment bool
}

// Request is one call of the intake.
type Request struct {
	Body        []byte
	ContentType string // default application/x-ndjson
	Encoding    string // "gzip", "zstd" or empty
	Idempotency string // Idempotency-Key, or empty
}

// Answer is what the intake said.
type Answer struct {
	Status   int
	Accepted int64 // of a 2xx with a body
	Body     string
}

// Acknowledged reports whether the events are durable.
func (a Answer) Acknowledged() bool { return a.Status/100 == 2 }

// Post sends one request, once. An error means that the outcome is unknown.
func (in *Intake) Post(ctx context.Context, r Request) (Answer, error) {
	path := "/v1/streams/" + in.Stream + "/events"
	if in.Segment {
		path = "/v1/batch"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, in.Server+path, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("post events: %w", err)
	}
	// The transport repeats requests with this header by itself when a kept
	// connection breaks; without GetBody it cannot, and each try is ours.
	req.GetBody = nil
	if in.Segment {
		req.SetBasicAuth(in.Key, "")
	} else {
		req.Header.Set("Authorization", "Bearer "+in.Key)
	}
	if r.ContentType == "" {
		r.ContentType = "application/x-ndjson"
	}
	req.Header.Set("Content-Type", r.ContentType)
	if r.Encoding != "" {
		req.Header.Set("Content-Encoding", r.Encoding)
	}
	if r.Idempotency != "" {
		req.Header.Set("Idempotency-Key", r.Idempotency)
	}
	resp, err := in.Client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("post events: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Answer{}, fmt.Errorf("post events: read the answer: %w", err)
	}
	a := Answer{Status: resp.StatusCode, Body: string(body)}
	if !a.Acknowledged() || len(body) == 0 {
		return a, nil
	}
	var reply struct {
		Accepted int64 `json:"accepted"`
		Success  bool  `json:"success"`
	}
	if err := json.Unmarshal(body, &reply); err != nil || reply.Success != in.Segment {
		return a, fmt.Errorf("post events: answer %q: %w", body, err)
	}
	a.Accepted = reply.Accepted
	return a, nil
}
