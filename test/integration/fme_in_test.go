//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/test/harness"
	"strm/test/snsdouble"
)

// inbox is a bucket of moto with what AWS puts around it for imports.
type inbox struct {
	m      *moto
	bucket string
	topic  string
	queue  string // that the topic feeds, raw
	direct string // that a bucket may feed
}

func newInbox(t *testing.T, m *moto, bucket string) *inbox {
	t.Helper()
	x := &inbox{m: m, bucket: bucket}
	one := func(field string, args ...string) string {
		var doc map[string]string
		if err := json.Unmarshal([]byte(m.admin().aws(t, args...)), &doc); err != nil || doc[field] == "" {
			t.Fatalf("aws %v: %v %v", args, doc, err)
		}
		return doc[field]
	}
	m.admin().aws(t, "s3", "mb", "s3://"+bucket)
	x.topic = one("TopicArn", "sns", "create-topic", "--endpoint-url", m.url, "--name", bucket)
	x.queue = one("QueueUrl", "sqs", "create-queue", "--endpoint-url", m.url, "--queue-name", bucket)
	x.direct = one("QueueUrl", "sqs", "create-queue", "--endpoint-url", m.url, "--queue-name", bucket+"-direct")
	m.admin().aws(t, "sns", "subscribe", "--endpoint-url", m.url, "--topic-arn", x.topic, "--protocol", "sqs", "--notification-endpoint", x.arn(bucket), "--attributes", "RawMessageDelivery=true")
	return x
}

func (x *inbox) arn(queue string) string { return "arn:aws:sqs:us-east-1:" + motoAccount + ":" + queue }

// notify configures the bucket's notifications.
func (x *inbox) notify(t *testing.T, kind, field, arn string) {
	t.Helper()
	doc, err := json.Marshal(map[string]any{kind: []any{map[string]any{field: arn, "Events": []string{"s3:ObjectCreated:*"},
		"Filter": map[string]any{"Key": map[string]any{"FilterRules": []any{map[string]string{"Name": "prefix", "Value": "events/"}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	x.m.admin().aws(t, "s3api", "put-bucket-notification-configuration", "--bucket", x.bucket, "--notification-configuration", string(doc))
}

// front is TLS before strm, as a load balancer has it.
func front(t *testing.T, s *strm, d *snsdouble.Double) string {
	t.Helper()
	to, err := url.Parse(s.srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	cert, key := d.EndpointFiles()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	f := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }})
	f.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	f.StartTLS()
	t.Cleanup(f.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(f.URL, "https://"), ":")
	return "https://localhost:" + port
}

// importer asks for an importer as it fares now.
func (s *strm) importer(ctx context.Context, name string) (i apiv1.Importer, err error) {
	err = s.cli.Call(ctx, http.MethodGet, "/v1/batch-importers/"+name, nil, &i)
	return i, err
}

// imported waits until so many files are done.
func (s *strm) imported(t *testing.T, importer string, files int, limit time.Duration) {
	t.Helper()
	err := harness.Poll(t.Context(), limit, 200*time.Millisecond, fmt.Sprintf("%d imports to be done", files), func(ctx context.Context) (bool, string, error) {
		i, err := s.importer(ctx, importer)
		return int(i.Status.Files) >= files, fmt.Sprintf("%d are, %d wait", i.Status.Files, i.Status.WaitingFiles), err
	})
	if err != nil {
		out, _ := s.cli.Run(t.Context(), "get", "batch-importer", importer, "-o", "json")
		t.Fatalf("%v\n%s", err, out)
	}
}

// reported waits until the reports in a bucket tell of as many rows as the files have.
func reported(t *testing.T, c client, bucket string, files []eventFile) (got statuses) {
	t.Helper()
	dir, rows := t.TempDir(), 0
	for _, f := range files {
		rows += f.valid
		for _, n := range f.invalid {
			rows += n
		}
	}
	err := harness.Poll(t.Context(), 5*time.Minute, 500*time.Millisecond, fmt.Sprintf("%d rows to be reported on", rows), func(context.Context) (bool, string, error) {
		c.aws(t, "s3", "sync", "--only-show-errors", "--exclude", "*.strm_test*", "s3://"+bucket+"/statuses/", dir)
		c.python(t, &got, "statuses.py", dir)
		told := 0
		for _, f := range got.Files {
			told += f.Valid
			for _, n := range f.Invalid {
				told += n
			}
		}
		return told >= rows, fmt.Sprintf("%d are", told), nil
	})
	if err != nil {
		t.Error(err)
	}
	return got
}

// storedRows delivers a stream of imported events to a directory and reads it.
func (s *strm) storedRows(t *testing.T, streamName string) []string {
	t.Helper()
	dir := filepath.Join(s.dir, "rows")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.run(t, "create", "sink", "rows", dir, "--sink-type", "DIR")
	s.run(t, "create", "batch-exporter", streamName, "--sink", "rows", "--name", "rows", "--include-existing-events")
	s.flush(t, "rows")
	files, err := filepath.Glob(filepath.Join(dir, "2*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var row eventRow
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			rows = append(rows, canonical(row))
		}
	}
	slices.Sort(rows)
	return rows
}

func storedAre(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the stream holds %d rows, of %d that hold, or others", len(got), len(want))
	}
}

// makeEventFiles makes n files of about 100 rows in dir.
func makeEventFiles(t *testing.T, dir string, n int, seed uint64) (files []eventFile) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range n {
		files = append(files, makeEventFile(r, i, 50+r.IntN(100)))
	}
	writeEventFiles(t, dir, files)
	return files
}

// TestImportsOverSNS imports 1,000 files of three writers, of whose rows about
// one in a hundred is bad, over S3 -> SNS -> HTTPS, while notices are doubled,
// disordered and lost, and the server is killed. The reports account for every row.
func TestImportsOverSNS(t *testing.T) {
	t.Parallel()
	m := startMoto(t)
	x := newInbox(t, m, "inbox")
	x.notify(t, "TopicConfigurations", "TopicArn", x.topic)
	d, err := snsdouble.Start(t.Context(), t.TempDir(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	s := startStrmWith(t, d.Env())
	https := front(t, s, d)
	s.credentials(t, m, "inbox")
	s.run(t, "create", "batch-importer", "in", "--stream", "imported", "--bucket", x.bucket, "--endpoint", m.url, "--region", "us-east-1", "--path-style", "--credentials-file", "inbox.json",
		"--environment", importedEnvironment, "--prefix", "events/", "--status-folder", "statuses", "--topic-arn", x.topic, "--list-every", "10s", "--report-every", "1s")
	shown, err := s.importer(t.Context(), "in")
	at := strings.LastIndex(shown.Endpoint, "/notices/")
	if err != nil || at < 0 {
		t.Fatalf("notification endpoint %q, %v", shown.Endpoint, err)
	}
	endpoint := https + shown.Endpoint[at:]
	if _, del, err := d.Subscribe(t.Context(), x.topic, endpoint); err != nil || !del.Delivered {
		t.Fatalf("subscribe: %+v, %v", del, err)
	}
	if shown, err = s.importer(t.Context(), "in"); err != nil || shown.Status.Subscription == nil || shown.Status.Subscription.State != "confirmed" {
		t.Fatalf("%+v, %v", shown, err)
	}

	dir := t.TempDir()
	files := makeEventFiles(t, dir, 1000, 5)
	m.admin().aws(t, "s3", "cp", "--recursive", "--only-show-errors", dir, "s3://"+x.bucket+"/events/")
	var bodies []string
	m.admin().python(t, &bodies, "pump.py", x.queue, fmt.Sprint(len(files)))

	r := rand.New(rand.NewPCG(9, 9))
	bodies = append(bodies, bodies[:len(bodies)/10]...) // told twice
	r.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	bodies = bodies[:len(bodies)*19/20] // lost: the listing finds them
	for i, body := range bodies {
		if i == len(bodies)/3 || i == 2*len(bodies)/3 {
			s.srv.Kill()
			if err := s.srv.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if del, err := d.Deliver(t.Context(), endpoint, snsdouble.Message{Topic: x.topic, Text: body, Version: 1 + i%2}); err != nil || !del.Delivered {
			t.Fatalf("notice %d: %+v, %v", i, del, err)
		}
	}
	s.imported(t, "in", len(files), 8*time.Minute)
	got := reported(t, m.admin(), x.bucket, files)
	got.accounts(t, "events/", files)
	rows := s.storedRows(t, "imported")
	storedAre(t, rows, accepted(files))
	t.Logf("%d files, %d rows stored, %d reports, %d entries told again", len(files), len(rows), got.Reports, got.Repeated)

	for _, f := range d.Forgeries(x.topic, bodies[0]) {
		if del, err := d.Deliver(t.Context(), endpoint, f.Message); err != nil || del.Delivered || len(del.Attempts) != 1 {
			t.Errorf("%s: %+v, %v", f.Name, del, err)
		}
	}
}

// credentials puts the keys of a user of moto who may do everything into a file.
func (s *strm) credentials(t *testing.T, m *moto, name string) {
	t.Helper()
	key := m.user(t, name, map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"})
	text, err := json.Marshal(map[string]any{"AccessKey": key})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, name+".json"), string(text))
}

// TestImportsOverSQS imports from a bucket with versions that tells a queue: two
// versions of each key are two files.
func TestImportsOverSQS(t *testing.T) {
	t.Parallel()
	m := startMoto(t)
	x := newInbox(t, m, "queued")
	m.admin().aws(t, "s3api", "put-bucket-versioning", "--bucket", x.bucket, "--versioning-configuration", "Status=Enabled")
	x.notify(t, "QueueConfigurations", "QueueArn", x.arn(x.bucket+"-direct"))
	s := startStrm(t)
	s.credentials(t, m, "queued")
	s.run(t, "create", "batch-importer", "in", "--stream", "imported", "--bucket", x.bucket, "--endpoint", m.url, "--region", "us-east-1", "--path-style", "--credentials-file", "queued.json",
		"--environment", importedEnvironment, "--prefix", "events/", "--status-folder", "statuses", "--queue-url", x.direct, "--list-every", "24h", "--report-every", "1s")
	var all []eventFile
	sums := map[string]*eventFile{}
	for round := range 2 {
		dir := t.TempDir()
		files := makeEventFiles(t, dir, 2*len(variants), uint64(100+round))
		m.admin().aws(t, "s3", "cp", "--recursive", "--only-show-errors", dir, "s3://"+x.bucket+"/events/")
		for _, f := range files {
			if have := sums[f.name]; have != nil {
				have.valid += f.valid
				for codes, n := range f.invalid {
					have.invalid[codes] += n
				}
			} else {
				sums[f.name] = &f
			}
		}
		all = append(all, files...)
	}
	s.imported(t, "in", len(all), 4*time.Minute)
	var want []eventFile
	for _, f := range sums {
		want = append(want, *f)
	}
	reported(t, m.admin(), x.bucket, want).accounts(t, "events/", want)
	storedAre(t, s.storedRows(t, "imported"), accepted(all))
}

// TestImportsByListing imports from a gateway that tells nobody anything, and
// meets files that are not what they seem.
func TestImportsByListing(t *testing.T) {
	t.Parallel()
	g, s := startGateway(t), startStrm(t)
	const bucket = "listed"
	g.root().aws(t, "s3", "mb", "s3://"+bucket)
	g.user(t, bucket, s.dir, allow(bucket, "s3:ListBucket"), allow(bucket+"/events/*", "s3:GetObject"), allow(bucket+"/statuses/*", "s3:PutObject"))
	s.run(t, "create", "batch-importer", "in", "--stream", "imported", "--bucket", bucket, "--endpoint", g.url, "--region", region, "--path-style", "--credentials-file", "s3.json",
		"--environment", importedEnvironment, "--prefix", "events/", "--status-folder", "statuses", "--list-every", "1s", "--report-every", "1s")
	dir := t.TempDir()
	files := makeEventFiles(t, dir, len(variants), 77)
	good, err := os.ReadFile(filepath.Join(dir, files[1].name))
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]string{
		"empty.parquet": "", "text.parquet": "not at all\n", "short.parquet": string(good[:len(good)/2]), "tail.parquet": "PAR1" + strings.Repeat("\xff", 100) + "PAR1",
		"footer.parquet": string(good[:len(good)-8]) + "\xff\xff\xff\x7fPAR1", "bomb.parquet.gz": zeros(t, 2<<30),
	}
	for name, text := range bad {
		write(t, filepath.Join(dir, name), text)
		files = append(files, eventFile{name: name, invalid: map[string]int{"INVALID_SCHEMA": 1}})
	}
	g.root().aws(t, "s3", "cp", "--recursive", "--only-show-errors", dir, "s3://"+bucket+"/events/")
	s.imported(t, "in", len(files), 4*time.Minute)
	reported(t, g.root(), bucket, files).accounts(t, "events/", files)
	storedAre(t, s.storedRows(t, "imported"), accepted(files))
}
