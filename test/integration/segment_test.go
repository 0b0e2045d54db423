//go:build integration

package integration

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSegmentServerLibraries runs Segment's server libraries, unmodified but
// for their host, one call of each type and one with its own message id, and
// reads the raw logs back.
func TestSegmentServerLibraries(t *testing.T) {
	t.Parallel()
	x := startSegmentSite(t, "server-libraries")
	srcs, proxies, events := make([]segmentSource, len(segmentClients)), make([]*proxy, len(segmentClients)), make([][]told, len(segmentClients))
	for i, c := range segmentClients {
		srcs[i], proxies[i] = x.source(t, c.name), newProxy(t, x.s, network{})
	}
	var jobs []func() error
	for i, c := range segmentClients {
		jobs = append(jobs, func() (err error) {
			events[i], err = c.run(t, proxies[i], srcs[i], "types", 0)
			return err
		})
	}
	together(t, jobs...)
	logs := x.rawLogs(t, srcs...)
	day := logs[srcs[0].name].lines[0].day
	t.Run("aws s3 sync of one day", func(t *testing.T) {
		dir := t.TempDir()
		x.g.root().in(dir).aws(t, "s3", "sync", "--only-show-errors", "s3://"+x.bucket+"/segment-logs/"+srcs[0].id+"/"+day+"/", day)
		if got, want := readRawLog(t, dir), logs[srcs[0].name].lines; !reflect.DeepEqual(got, want) {
			t.Errorf("it shows %d lines, of the bucket %d, or others", len(got), len(want))
		}
	})
	t.Run("strm download of one day", func(t *testing.T) {
		dir, person := t.TempDir(), *x.s.cli
		person.Env = append(slices.Clone(person.Env), "AWS_ACCESS_KEY_ID="+rootKey, "AWS_SECRET_ACCESS_KEY="+rootSecret)
		out, err := person.Run(t.Context(), "download", srcs[0].name, "--day", time.UnixMilli(atoi(t, day)).UTC().Format(time.DateOnly), "--to", filepath.Join(dir, day))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := readRawLog(t, dir), logs[srcs[0].name].lines; !reflect.DeepEqual(got, want) {
			t.Errorf("it shows %d lines, of the bucket %d, or others\n%s", len(got), len(want), out)
		}
	})
	for i, c := range segmentClients {
		t.Run(c.name, func(t *testing.T) {
			l := logs[c.name]
			if delivered, failed := l.once(t, events[i]); delivered != 7 || failed != 0 {
				t.Errorf("%d calls delivered and %d given up, of 7", delivered, failed)
			}
			l.wellFormed(t, x, srcs[i], "server", c.library)
			l.sevenCalls(t, events[i], c.name)
			serverRequests(t, c, srcs[i], proxies[i])
			t.Logf("7 calls in %d requests to %v, %d objects", len(proxies[i].requests(http.MethodPost)), proxies[i].paths(http.MethodPost), l.objects)
		})
	}
}

var nanoseconds = regexp.MustCompile(`"timestamp":"[^"]*\.\d{9}Z"`)

func atoi(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// serverRequests checks that each library was itself: what tells it from the
// others is what strm has to cope with.
func serverRequests(t *testing.T, c segmentClient, src segmentSource, p *proxy) {
	t.Helper()
	posts := p.requests(http.MethodPost)
	want := 1
	if c.name == "node-legacy" {
		want = 2 // the first event goes alone
	}
	split := c.library == "analytics-python" && len(posts) > 0 // it sends what half a second brings
	if len(posts) != want && !split {
		t.Errorf("%d requests, want %d", len(posts), want)
	}
	path, auth := "/v1/batch", "Basic "+base64.StdEncoding.EncodeToString([]byte(src.key+":"))
	if c.name == "java" {
		path, auth = "/v1/import/", ""
	}
	for _, r := range posts {
		if r.Path != path || r.Status != 200 || r.Answer.Get("Content-Type") != "application/json" {
			t.Errorf("POST %s: %d %s", r.Path, r.Status, r.Answer.Get("Content-Type"))
		}
		if got := r.Header.Get("Authorization"); got != auth {
			t.Errorf("Authorization %q", got)
		}
		var body struct {
			WriteKey string
			Context  map[string]any
			Batch    []map[string]any
		}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			t.Errorf("%v in %.300s", err, r.Body)
		}
		switch c.library {
		case "analytics-go":
			if body.WriteKey != "" || body.Context["library"] == nil || body.Batch[0]["context"] != nil || !nanoseconds.Match(r.Body) {
				t.Errorf("not the Go client's body: %.600s", r.Body)
			}
		case "analytics-java":
			if body.WriteKey != src.key || body.Context["library"] == nil || body.Batch[0]["context"] != nil {
				t.Errorf("not the Java client's body: %.600s", r.Body)
			}
		case "analytics-node":
			if body.WriteKey != "" {
				t.Errorf("not the legacy client's body: %.600s", r.Body)
			}
		default:
			if body.WriteKey != src.key {
				t.Errorf("write key %q in the body", body.WriteKey)
			}
		}
		if zipped := r.Header.Get("Content-Encoding") == "gzip"; zipped != (c.plan["gzip"] == true) {
			t.Errorf("Content-Encoding %q", r.Header.Get("Content-Encoding"))
		}
	}
}

// wellFormed checks what every line of a raw log has, whoever sent it.
func (l rawLog) wellFormed(t *testing.T, x *segmentSite, src segmentSource, channel, library string) {
	t.Helper()
	for _, line := range l.lines {
		if line.ProjectID != src.id || line.Channel != channel || line.Version != 2 || line.Integrations == nil {
			t.Errorf("projectId, channel, version or integrations: %s", line.text)
		}
		if lib, ok := line.Context["library"].(map[string]any); !ok || lib["name"] != library || lib["version"] == "" {
			t.Errorf("context.library is not that of %s: %s", library, line.text)
		}
		if line.ReceivedAt.Before(x.began.Add(-time.Second)) || line.ReceivedAt.After(time.Now()) || line.SentAt.IsZero() || line.OriginalTimestamp.IsZero() {
			t.Errorf("times: %s", line.text)
		}
		// The identity holds to the millisecond on the printed values.
		if want := line.ReceivedAt.Add(line.OriginalTimestamp.Sub(line.SentAt)); !line.Timestamp.Equal(want) {
			t.Errorf("timestamp is not %v: %s", want, line.text)
		}
		if day := line.ReceivedAt.UTC().Truncate(24 * time.Hour).UnixMilli(); itoa(day) != line.day {
			t.Errorf("received at %v, and in the directory %s", line.ReceivedAt, line.day)
		}
		for _, name := range []string{"originalTimestamp", "receivedAt", "sentAt", "timestamp"} {
			if !regexp.MustCompile(`"` + name + `":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"`).MatchString(line.text) {
				t.Errorf("%s is not in ISO 8601 with milliseconds: %s", name, line.text)
			}
		}
		if keys := topLevelKeys(t, line.text); !slices.IsSorted(keys) {
			t.Errorf("the keys are not in order: %q", keys)
		}
	}
}

// topLevelKeys returns a line's keys in the order in which it has them.
func topLevelKeys(t *testing.T, text string) []string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key.(string))
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// sevenCalls checks the content of the calls that every client makes in mode
// "types": nothing of what the caller said is lost or changed.
func (l rawLog) sevenCalls(t *testing.T, events []told, name string) {
	t.Helper()
	byID := map[string]rawLine{}
	for _, line := range l.lines {
		byID[line.MessageID] = line
	}
	if len(events) != 7 {
		t.Fatalf("%d calls", len(events))
	}
	var got [7]rawLine
	for i, e := range events {
		got[i] = byID[e.MessageID]
		if got[i].Type != e.Type || got[i].N != i && e.Type != "alias" {
			t.Errorf("call %d (%s) is %s", i, e.Type, got[i].text)
		}
	}
	identify, track, page, screen, group, alias, own := got[0], got[1], got[2], got[3], got[4], got[5], got[6]
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("identify's userId", identify.UserID, "u1")
	check("identify's traits", identify.Traits, map[string]any{"email": "a@b.c", "plan": "pro", "n": 0.0})
	check("track's event", track.Event, "Order Completed")
	nested := map[string]any{"a": nil}
	if name == "java" {
		delete(nested, "a") // which the client itself leaves out
	}
	check("track's properties", track.Properties, map[string]any{
		"revenue": 39.95, "items": []any{1.0, 2.0}, "nested": nested, "text": "één → 日本 \" \\ </script>", "n": 1.0,
	})
	check("track's time", track.OriginalTimestamp.UTC(), time.Date(2024, 1, 2, 3, 4, 5, 678_000_000, time.UTC))
	check("track's integrations", track.Integrations["Salesforce"], false)
	check("track's context.ip", track.Context["ip"], "203.0.113.7")
	check("page's name", page.Name, "Home")
	check("screen's name", screen.Name, "Main")
	check("group's groupId", group.GroupID, "g1")
	check("group's name", group.Traits["name"], "Initech")
	check("alias's userId", alias.UserID, "u1")
	check("alias's previousId", alias.PreviousID, "old1")
	check("the own message id", own.MessageID, "own-"+name)
}
