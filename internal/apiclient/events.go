package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Append is one intake request: all of its events are accepted, or none.
type Append struct {
	Stream         string
	WriteKey       string        // instead of the client's token
	IdempotencyKey string        // the same key again within the server's window counts once
	Encoding       string        // Content-Encoding of Body: "", "gzip" or "zstd"
	Body           []byte        // newline-delimited JSON
	Timeout        time.Duration // 0 means AppendTimeout
}

// AppendTimeout bounds one intake request. Long enough for a slow disk, short
// enough that a lost answer is noticed.
const AppendTimeout = time.Minute

// Append sends events and returns how many the server counts for the request.
// After an UnreachableError or a 5xx they may have been accepted: send the same
// request again under the same key. A success that does not say how many is an
// error: something else than a strm server answered.
func (c *Client) Append(ctx context.Context, a Append) (int64, error) {
	limit := a.Timeout
	if limit == 0 {
		limit = AppendTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	h := http.Header{"Content-Type": {"application/x-ndjson"}, "Accept": {"application/json, application/problem+json"}}
	if a.WriteKey != "" {
		h.Set("Authorization", "Bearer "+a.WriteKey)
	}
	if a.IdempotencyKey != "" {
		h.Set("Idempotency-Key", a.IdempotencyKey)
	}
	if a.Encoding != "" {
		h.Set("Content-Encoding", a.Encoding)
	}
	r := request{method: http.MethodPost, path: []string{"v1", "streams", a.Stream, "events"}}
	res, err := c.send(ctx, r, bytes.NewReader(a.Body), h)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end below
	b, err := io.ReadAll(io.LimitReader(res.Body, maxProblem))
	if err != nil {
		return 0, unreachable(ctx, c.Server(), err)
	}
	var out struct {
		Accepted *int64 `json:"accepted"`
	}
	err = json.Unmarshal(b, &out)
	if err == nil && out.Accepted == nil {
		err = errors.New("it does not say how many events were accepted")
	}
	if err != nil {
		return 0, fmt.Errorf("append: the answer is not what a strm server sends: %w", err)
	}
	return *out.Accepted, nil
}

// ReadQuery says which events to read.
type ReadQuery struct {
	From      string // "earliest", "latest" or RFC 3339; empty is the server's default
	Follow    bool   // wait for more at the end
	Limit     int64  // stop after so many; 0 means no limit
	Partition int    // one partition only; negative means all
	Envelope  bool   // wrap each event with partition, offset and received time
}

// Read opens the stream's events as newline-delimited JSON. The caller closes
// the reader; cancelling ctx ends a followed read.
func (c *Client) Read(ctx context.Context, stream string, r ReadQuery) (io.ReadCloser, error) {
	q := url.Values{"follow": {strconv.FormatBool(r.Follow)}}
	if r.From != "" {
		q.Set("from", r.From)
	}
	if r.Limit > 0 {
		q.Set("limit", strconv.FormatInt(r.Limit, 10))
	}
	if r.Partition >= 0 {
		q.Set("partition", strconv.Itoa(r.Partition))
	}
	if r.Envelope {
		q.Set("envelope", "true")
	}
	res, err := c.send(ctx, request{method: http.MethodGet, path: []string{"v1", "streams", stream, "events"}, query: q},
		nil, http.Header{"Accept": {"application/x-ndjson, application/problem+json"}})
	if err != nil {
		return nil, err
	}
	return res.Body, nil
}
