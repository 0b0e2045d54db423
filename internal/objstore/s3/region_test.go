package s3_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
)

// regional is a store that knows where the bucket is and insists on it.
type regional struct {
	head     func(http.ResponseWriter)
	location func(http.ResponseWriter)
	refuse   func(http.ResponseWriter) // answers a PUT signed for another region

	mu    sync.Mutex
	where string
	log   []string
}

func (s *regional) move(to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.where = to
}

func (s *regional) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	signed := strings.Split(r.Header.Get("Authorization"), "/")[2]
	switch {
	case r.Method == http.MethodHead:
		s.log = append(s.log, "head")
		s.head(w)
	case r.URL.Query().Has("location"):
		s.log = append(s.log, "location")
		s.location(w)
	default:
		s.log = append(s.log, "put "+signed)
		if signed != s.where {
			s.refuse(w)
			return
		}
		w.Header().Set("ETag", `"x"`)
	}
}

func status(code int, region string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		if region != "" {
			w.Header().Set("x-amz-bucket-region", region)
		}
		w.WriteHeader(code)
	}
}

func location(name string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		_, _ = fmt.Fprintf(w, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</LocationConstraint>`, name)
	}
}

func malformed(w http.ResponseWriter) {
	w.WriteHeader(400)
	_, _ = fmt.Fprint(w, `<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region is wrong</Message></Error>`)
}

func expecting(region string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(400)
		_, _ = fmt.Fprintf(w, `<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region "x" is wrong; expecting "%s"</Message></Error>`, region)
	}
}

func TestRegionDiscovery(t *testing.T) {
	tests := []struct {
		name           string
		explicit       string
		head, location func(http.ResponseWriter)
		where, log     string
	}{
		{"explicit", "ap-south-1", nil, nil, "ap-south-1", "put ap-south-1"},
		{"head allowed", "", status(200, "eu-west-1"), nil, "eu-west-1", "head,put eu-west-1"},
		{"head forbidden", "", status(403, "eu-west-1"), nil, "eu-west-1", "head,put eu-west-1"},
		{"head redirected", "", status(301, "eu-west-1"), nil, "eu-west-1", "head,put eu-west-1"},
		{"location", "", status(403, ""), location("eu-central-1"), "eu-central-1", "head,location,put eu-central-1"},
		{"old name", "", status(403, ""), location("EU"), "eu-west-1", "head,location,put eu-west-1"},
		{"first region", "", status(403, ""), location(""), "us-east-1", "head,location,put us-east-1"},
		{"told by the way", "", status(400, ""), expecting("eu-west-1"), "eu-west-1", "head,location,put eu-west-1"},
		{"nothing told", "", status(501, ""), status(501, ""), "us-east-1", "head,location,put us-east-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &regional{head: tt.head, location: tt.location, refuse: malformed, where: tt.where}
			cfg := config(listen(t, s))
			cfg.Region = tt.explicit
			b := open(t, cfg)
			if err := b.Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(s.log, ","); got != tt.log {
				t.Errorf("requests %s, want %s", got, tt.log)
			}
			if got, err := b.Region(t.Context()); got != tt.where || err != nil {
				t.Errorf("region %q, %v", got, err)
			}
		})
	}
}

// A bucket that was created anew elsewhere is found within the same call.
func TestRegionChanges(t *testing.T) {
	s := &regional{head: status(200, "eu-west-1"), refuse: malformed, where: "eu-west-1"}
	b := open(t, config(listen(t, s)))
	if err := b.Create(t.Context(), "a", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	s.move("eu-north-1")
	s.head = status(403, "eu-north-1")
	if err := b.Create(t.Context(), "b", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	s.move("us-west-2")
	s.refuse = status(301, "us-west-2") // this time the refusal tells
	if err := b.Create(t.Context(), "c", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	want := "head,put eu-west-1,put eu-west-1,head,put eu-north-1,put eu-north-1,put us-west-2"
	if got := strings.Join(s.log, ","); got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
}

func TestExplicitRegionIsWrong(t *testing.T) {
	s := &regional{refuse: malformed, where: "eu-west-1"}
	cfg := config(listen(t, s))
	cfg.Region = "us-west-1"
	e := objstoretest.Want(t, open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)), objstore.Rejected)
	if e.Reason != objstore.WrongRegion || !strings.Contains(e.Error(), "us-west-1") || len(s.log) != 1 {
		t.Errorf("%v after %v", e, s.log)
	}
}

func TestRegionOfMissingBucket(t *testing.T) {
	s := &regional{head: status(404, "")}
	b := open(t, config(listen(t, s)))
	for range 2 { // a failure is not remembered
		e := objstoretest.Want(t, b.Create(t.Context(), "k", objstore.Bytes(nil)), objstore.Rejected)
		if e.Reason != objstore.NoBucket || e.Key != "k" {
			t.Errorf("%+v", e)
		}
	}
	s.head = status(503, "")
	e := objstoretest.Want(t, b.Create(t.Context(), "k", objstore.Bytes(nil)), objstore.NotSent)
	if e.Reason != objstore.Throttled {
		t.Errorf("%+v", e)
	}
	s.head = status(200, "eu-west-1")
	s.move("eu-west-1")
	if err := b.Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
		t.Error(err)
	}
}
