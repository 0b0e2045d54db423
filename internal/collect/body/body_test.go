package body_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"strm/internal/collect/body"
)

// memory gives so much beyond First, then errNoMemory.
type memory struct{ left, given int64 }

var errNoMemory = errors.New("no memory")

func (m *memory) Grow(_ context.Context, n int64) error {
	if m.left -= n; m.left < 0 {
		return errNoMemory
	}
	m.given += n
	return nil
}

func zipped(t *testing.T, enc body.Encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	switch enc {
	case body.Gzip:
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	case body.Zstd:
		z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(z.EncodeAll([]byte(text), nil))
	case body.Identity, body.Unknown:
		b.WriteString(text)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	var rd body.Reader
	for _, c := range []struct {
		name   string
		enc    body.Encoding
		wire   string
		max    int64
		memory int64
		want   string
		reason body.Reason
		err    error
	}{
		{name: "plain", enc: body.Identity, wire: "abc", max: 3, want: "abc"},
		{name: "gzip", enc: body.Gzip, wire: zipped(t, body.Gzip, long), max: 1 << 20, memory: 1 << 20, want: long},
		{name: "zstd", enc: body.Zstd, wire: zipped(t, body.Zstd, long), max: 1 << 20, memory: 1 << 20, want: long},
		{name: "plain over", enc: body.Identity, wire: "abcd", max: 3, reason: body.TooLarge},
		{name: "gzip bomb", enc: body.Gzip, wire: zipped(t, body.Gzip, long), max: 100 << 10, memory: 1 << 20, reason: body.TooLarge},
		{name: "zstd bomb", enc: body.Zstd, wire: zipped(t, body.Zstd, long), max: 100 << 10, memory: 1 << 20, reason: body.TooLarge},
		{name: "gzip cut", enc: body.Gzip, wire: zipped(t, body.Gzip, long)[:500], max: 1 << 20, memory: 1 << 20, reason: body.Damaged},
		{name: "no gzip", enc: body.Gzip, wire: "hello, hello, hello", max: 1 << 20, reason: body.Damaged},
		{name: "no zstd", enc: body.Zstd, wire: "hello, hello, hello", max: 1 << 20, reason: body.Damaged},
		{name: "other", enc: "br", wire: "x", max: 1 << 20, reason: body.Unsupported},
		{name: "no memory", enc: body.Gzip, wire: zipped(t, body.Gzip, long), max: 1 << 20, memory: 100 << 10, err: errNoMemory},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.wire))
			r.ContentLength = -1
			r.Header.Set("Content-Encoding", string(c.enc))
			l := body.Limits{Max: c.max, MaxWire: 2 << 20}
			m := &memory{left: c.memory}
			buf := new([]byte) // not from the pool, whose buffers are as large as earlier bodies
			err := body.Check(r, l)
			if err == nil {
				err = rd.Read(httptest.NewRecorder(), r, buf, l, m)
			}
			var e *body.Error
			switch {
			case c.err != nil:
				if !errors.Is(err, c.err) || errors.As(err, &e) {
					t.Errorf("error %v", err)
				}
			case c.reason != 0:
				if !errors.As(err, &e) || e.Reason != c.reason || e.Detail == "" || c.reason == body.TooLarge && e.Limit != c.max {
					t.Errorf("error %#v", err)
				}
			case err != nil:
				t.Error(err)
			case string(*buf) != c.want || cap(*buf) == len(*buf):
				t.Errorf("read %d bytes of %d, capacity %d", len(*buf), len(c.want), cap(*buf))
			}
			if held := body.First(r) + m.given; int64(cap(*buf)) > held {
				t.Errorf("%d bytes of memory, %d reserved", cap(*buf), held)
			}
		})
	}
}

func TestCheckLooksAtTheDeclaredLength(t *testing.T) {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("12345"))
	for _, c := range []struct {
		l     body.Limits
		limit int64
	}{{body.Limits{Max: 5, MaxWire: 5}, 0}, {body.Limits{Max: 4, MaxWire: 5}, 4}, {body.Limits{Max: 9, MaxWire: 3}, 3}} {
		var e *body.Error
		if err := body.Check(r, c.l); errors.As(err, &e) != (c.limit > 0) || c.limit > 0 && e.Limit != c.limit {
			t.Errorf("%+v: %v", c.l, err)
		}
	}
}
