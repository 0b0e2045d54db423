package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strm/internal/catalog/sqlite"
	"strm/internal/eventlog/kafka"
	"strm/internal/migrate"
	"strm/internal/problem"
	"strm/internal/secrets"
	"strm/internal/server"
	"strm/internal/stream"
)

var errDied = errors.New("died here")

// moveTo runs a migration whose new catalog is an SQLite in the directory to.
func moveTo(t *testing.T, from, to, log string, change func(*migrate.Options)) (told string, err error) {
	t.Helper()
	ctx := t.Context()
	db, err := sqlite.Open(ctx, filepath.Join(to, "catalog.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	o, err := kafka.Parse(log)
	if err != nil {
		t.Fatal(err)
	}
	o.Topics, o.Node = db, "move"
	l, err := kafka.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	var out bytes.Buffer
	m := migrate.Options{
		Data: from, Secrets: to, Catalog: db, Log: l, TopicName: func(s stream.Stream) string { return s.Name },
		Agree: func(context.Context, string) error { return nil }, Home: migrate.Moved{Log: "kafka://h", Catalog: "postgres://h/d"},
		Tell: func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) },
	}
	if change != nil {
		change(&m)
	}
	err = migrate.Run(ctx, m)
	return out.String(), err
}

// single makes the state of a single machine: some events delivered, others in a
// batch that could not be delivered, and others waiting.
func single(t *testing.T, data, bucket string) {
	t.Helper()
	r := start(t, server.Config{Data: data})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, bucket))
	r.must("POST", "/v1/batch-exporters", `{"stream":"demo","sink":"files","pathPrefix":"demo",`+daily()+`}`)
	for i := range 10 {
		r.must("POST", "/v1/streams/demo/events", fmt.Sprintf("{\"id\":%d}\n", i))
	}
	r.must("POST", "/v1/streams", `{"name":"wide","partitions":3,"retention":{"maxBytes":1000000}}`)
	for i := range 40 {
		if status, out, _ := r.post("wide", fmt.Sprint("w", i), fmt.Sprintf("{\"w\":%d}\n{\"w2\":%d}\n", i, i)); status != 200 {
			t.Fatalf("%d %s", status, out)
		}
	}
	r.must("POST", "/v1/batch-exporters", `{"stream":"wide","sink":"files","includeExistingEvents":true,"pathPrefix":"wide",`+daily()+`}`)
	r.flush("files-demo")
	r.must("POST", "/v1/streams/demo/events", "{\"id\":10}\n{\"id\":11}\n")
	// Nothing can be written any more: the next batch stays unfinished.
	place := filepath.Join(bucket, "demo")
	if err := errors.Join(os.Rename(place, place+".away"), os.WriteFile(place, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r.must("POST", "/v1/batch-exporters/files-demo/flush", "")
	r.until("there is an unfinished batch", func() bool {
		out := r.must("GET", "/v1/batch-exporters/files-demo/batches", "")
		return strings.Contains(out, `"state":"attempted"`) || strings.Contains(out, `"state":"planned"`)
	})
	if status, out, _ := r.post("demo", "again", "{\"id\":12}\n{\"id\":13}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	r.stop()
	if err := errors.Join(os.Remove(place), os.Rename(place+".away", place)); err != nil {
		t.Fatal(err)
	}
}

// moved checks that a node on the new home goes on without a gap or a repeat.
func moved(t *testing.T, to, log, bucket string) {
	t.Helper()
	r := start(t, server.Config{Data: to, Log: log})
	if status, out, _ := r.post("demo", "again", "{\"id\":12}\n{\"id\":13}\n"); status != 200 {
		t.Fatalf("the key of before: %d %s", status, out)
	}
	if status, out, _ := r.post("demo", "again", "{\"other\":1}\n"); status != 409 && status != 422 {
		t.Errorf("the key of before with other content: %d %s", status, out)
	}
	if status, out, _ := r.post("demo", "", "{\"id\":14}\n"); status != 200 {
		t.Fatalf("%d %s", status, out)
	}
	r.must("PUT", "/v1/sinks/files", fmt.Sprintf(`{"type":"DIR","bucket":%q}`, bucket)) // a blocked batch is tried at once
	for _, name := range []string{"files-demo", "files-wide"} {
		r.flush(name)
		if out := r.must("POST", "/v1/batch-exporters/"+name+"/verify", ""); !strings.Contains(out, `"ok":true`) {
			t.Errorf("verify %s: %s", name, out)
		}
	}
	r.stop()
	var ids []string
	for _, line := range delivered(t, filepath.Join(bucket, "demo")) {
		_, rest, _ := strings.Cut(line, `"id":`)
		id, _, _ := strings.Cut(rest, ",")
		ids = append(ids, strings.TrimSuffix(id, "}"))
	}
	slices.Sort(ids)
	if got := strings.Join(ids, " "); got != "0 1 10 11 12 13 14 2 3 4 5 6 7 8 9" {
		t.Errorf("delivered ids: %s", got)
	}
	if wide := delivered(t, filepath.Join(bucket, "wide")); len(wide) != 80 {
		t.Errorf("%d lines of the stream with partitions", len(wide))
	}
}

// A move can be stopped after every step, and run again, and the old node may
// serve in between.
func TestMove(t *testing.T) {
	for _, step := range []string{"", "secrets", "begin", "catalog", "events", "names", "fingerprints", "verify", "mark"} {
		t.Run("stopped after "+step, func(t *testing.T) {
			_, log := brokers(t)
			from, to, bucket := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "bucket")
			single(t, from, bucket)
			if step != "" {
				_, err := moveTo(t, from, to, log, func(o *migrate.Options) {
					o.Died = func(s string) error {
						if s == step {
							return errDied
						}
						return nil
					}
				})
				if !errors.Is(err, errDied) {
					t.Fatal(err)
				}
				if step != "secrets" {
					if out := refused(t, server.Config{Data: to, Log: log}, problem.Conflict, "strm migrate again"); out == "" {
						t.Error("no reason")
					}
				}
				if step == "mark" {
					refused(t, server.Config{Data: from}, problem.Conflict, "has moved to kafka://h")
				}
			}
			out, err := moveTo(t, from, to, log, nil)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			moved(t, to, log, bucket)
			refused(t, server.Config{Data: from}, problem.Conflict, "has moved to kafka://h")
			refused(t, server.Config{Data: from, Log: log}, problem.Conflict, "has moved to kafka://h") // its catalog is still the old one
			if out, err := moveTo(t, from, to, log, nil); err != nil || !strings.Contains(out, "everything is done") {
				t.Errorf("once more: %v, %s", err, out)
			}
		})
	}
}

// The old node serves between two runs: what it does is moved too.
func TestMoveAfterTheOldNodeServedAgain(t *testing.T) {
	_, log := brokers(t)
	from, to, bucket := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	single(t, from, bucket)
	if _, err := moveTo(t, from, to, log, func(o *migrate.Options) {
		o.Died = func(s string) error {
			if s == "names" {
				return errDied
			}
			return nil
		}
	}); !errors.Is(err, errDied) {
		t.Fatal(err)
	}
	r := start(t, server.Config{Data: from})
	r.must("POST", "/v1/streams", `{"name":"new"}`)
	r.must("POST", "/v1/streams/new/events", "{\"n\":1}\n")
	r.until("the batch that was blocked is delivered", func() bool { // a flush makes it try, but may tell how it was before
		return strings.Contains(r.must("POST", "/v1/batch-exporters/files-demo/flush?wait=30s", ""), `"done":true`)
	})
	r.must("POST", "/v1/streams/wide/events", "{\"w\":99}\n")
	// In use: it cannot move.
	if _, err := moveTo(t, from, to, log, nil); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "must be stopped") {
		t.Errorf("of a running server: %v", err)
	}
	r.must("DELETE", "/v1/batch-exporters/files-wide", "")
	r.stop()
	if out, err := moveTo(t, from, to, log, nil); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r = start(t, server.Config{Data: to, Log: log})
	r.must("POST", "/v1/batch-exporters", `{"stream":"wide","sink":"files","includeExistingEvents":true,"pathPrefix":"wide2",`+daily()+`}`)
	r.flush("files-wide")
	if n := len(delivered(t, filepath.Join(bucket, "wide2"))); n != 81 {
		t.Errorf("%d lines", n)
	}
	if n := len(delivered(t, filepath.Join(bucket, "demo"))); n != 14 {
		t.Errorf("%d lines of demo", n)
	}
}

func TestMoveRefuses(t *testing.T) {
	_, log := brokers(t)
	from, to, bucket := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "bucket")
	if _, err := moveTo(t, from, to, log, nil); problem.KindOf(err) != problem.NotFound {
		t.Errorf("an empty directory: %v", err)
	}
	single(t, from, bucket)
	out, err := moveTo(t, from, to, log, func(o *migrate.Options) { o.Check = true })
	if err != nil || !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "1 unfinished batches") || !strings.Contains(out, "in all 94 events") {
		t.Errorf("check: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(to, secrets.TokenFile)); err == nil {
		t.Error("a check copied the secrets")
	}
	// A topic of that name is somebody's.
	r := start(t, server.Config{Data: t.TempDir(), Log: log})
	r.must("POST", "/v1/streams", `{"name":"wide"}`)
	r.must("POST", "/v1/streams/wide/events", "{}\n")
	if _, err := moveTo(t, from, to, log, nil); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "topic wide is there already") {
		t.Errorf("a foreign topic: %v", err)
	}
	if _, err := moveTo(t, from, to, log, nil); problem.KindOf(err) != problem.Conflict {
		t.Errorf("again: %v", err)
	}
	if out := r.must("GET", "/v1/streams/wide", ""); !strings.Contains(out, "wide") {
		t.Error(out)
	}
	// Secrets of another installation.
	other := t.TempDir()
	if _, err := secrets.Init(other); err != nil {
		t.Fatal(err)
	}
	if _, err := moveTo(t, from, other, log, nil); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "is not that of") {
		t.Errorf("other secrets: %v", err)
	}
	// A catalog in use.
	used := t.TempDir()
	u := start(t, server.Config{Data: used})
	u.must("POST", "/v1/streams", `{"name":"x"}`)
	u.stop()
	if _, err := moveTo(t, from, used, log, func(o *migrate.Options) { o.Secrets = "" }); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a catalog in use: %v", err)
	}
}

// A node that was started with --secrets moves with those; others are refused.
func TestMoveOfANodeWithItsSecretsElsewhere(t *testing.T) {
	_, log := brokers(t)
	from, held, to := t.TempDir(), t.TempDir(), t.TempDir()
	r := start(t, server.Config{Data: from, Secrets: held})
	r.must("POST", "/v1/streams", `{"name":"demo"}`)
	r.must("PUT", "/v1/sinks/s3", `{"bucket":"some-bucket","endpoint":"http://127.0.0.1:1","credentials":"{\"AccessKey\":{\"AccessKeyId\":\"AKIAEXAMPLEEXAMPLE12\",\"SecretAccessKey\":\"wJalrXUtnFEMI7K7MDENG2bPxRfiCY3EXAMPLE4K\"}}"}`)
	r.stop()
	move := func(dir string) error {
		_, err := moveTo(t, from, to, log, func(o *migrate.Options) { o.Secrets, o.Opens = dir, server.OpensSinks })
		return err
	}
	if err := move(""); problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "--secrets") {
		t.Errorf("without saying where: %v", err)
	}
	other := t.TempDir()
	if _, err := secrets.Init(other); err != nil {
		t.Fatal(err)
	}
	if err := move(other); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "not those of this node") {
		t.Errorf("others: %v", err)
	}
	// Old ones, from before it was started with --secrets, are not taken for its own.
	if _, err := secrets.Init(from); err != nil {
		t.Fatal(err)
	}
	if err := move(held); err != nil {
		t.Fatal(err)
	}
	r = start(t, server.Config{Data: to, Log: log, Secrets: held})
	if out := r.must("GET", "/v1/streams", ""); !strings.Contains(out, "demo") {
		t.Error(out)
	}
}
