package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
	"strm/test/harness"
)

// inbox is a place whose bucket an importer of the same name reads.
type inbox struct {
	*place
	files int
}

func (w *world) newInbox(name, owner string) *inbox {
	p := &inbox{place: w.newPlace(name, owner)}
	p.put.Bucket += "/statuses" // as strm create batch-importer --bucket has it
	return p
}

func (p *inbox) create() {
	p.t.Helper()
	_, err := p.PutSink(p.t.Context(), p.name, p.put)
	p.must(err)
	_, err = p.CreateImporter(p.t.Context(), apiv1.CreateImporter{Name: p.name, Sink: p.name, Environments: []string{"prod"}, Prefix: "events/",
		StatusFolder: "statuses", ListEvery: "1s", ReportEvery: "1s", IncludeExistingFiles: true})
	p.must(err)
}

// upload puts another file of one good row and a bad one.
func (p *inbox) upload() (key string) {
	p.t.Helper()
	type event struct {
		Environment string `parquet:"environmentId"`
		Traffic     string `parquet:"trafficTypeId"`
		Type        string `parquet:"eventTypeId"`
		Key         string `parquet:"key"`
		Timestamp   int64  `parquet:"timestamp"`
	}
	at := int64(1795161463647 + p.files)
	var body bytes.Buffer
	p.must(parquet.Write(&body, []event{{"prod", "t", "buy", "u", at}, {"other", "t", "buy", "u", at}}))
	key = fmt.Sprintf("events/part %03d.parquet", p.files)
	p.files++
	p.cloud.Upload("bucket-"+p.name, key, body.Bytes())
	return key
}

// told is all that strm says is wrong, and whether the file is imported and reported on.
func (p *inbox) told(ctx context.Context, key string) (problems string, done bool, err error) {
	i, err := p.Importer(ctx, p.name)
	if err != nil {
		return "", false, err
	}
	problems = i.Status.Reason
	page, err := p.Imports(ctx, apiclient.ImportQuery{Importer: p.name, Prefix: key})
	if err != nil || len(page.Imports) == 0 {
		return problems, false, err
	}
	one, err := p.Import(ctx, fmt.Sprint(page.Imports[0].ID))
	if err != nil {
		return "", false, err
	}
	problems += "; " + one.Problem
	if one.Report != nil {
		problems += "; " + one.Report.Problem
		done = one.State == "done" && one.Accepted == 1 && one.Rows == 2 && one.Report.State == "done"
	}
	return problems, done, nil
}

// lacks waits until strm says that it lacks the permission for a file.
func (p *inbox) lacks(key, action string) error {
	return harness.Poll(p.t.Context(), 20*time.Second, 20*time.Millisecond, action+" to be missed", func(ctx context.Context) (bool, string, error) {
		problems, done, err := p.told(ctx, key)
		if done {
			return false, "", fmt.Errorf("%s was imported and reported on all the same", key)
		}
		return strings.Contains(problems, "missing permission "+action+" on arn:aws:"), problems, err
	})
}

// imported waits until a file is in, and reported on.
func (p *inbox) imported(key string) error {
	return harness.Poll(p.t.Context(), 20*time.Second, 20*time.Millisecond, key+" to be imported", func(ctx context.Context) (bool, string, error) {
		problems, done, err := p.told(ctx, key)
		return done, problems, err
	})
}

// check counts events and reported rows: two of each file, one of them good.
func (p *inbox) check() {
	p.t.Helper()
	s, err := p.Stream(p.t.Context(), p.name)
	p.must(err)
	if len(s.Bounds) != 1 || s.Bounds[0].End != int64(p.files) {
		p.t.Errorf("the stream has %+v of %d files", s.Bounds, p.files)
	}
	type entry struct {
		Valid bool  `json:"valid"`
		Rows  int64 `json:"numberOfRows"`
	}
	good, bad := map[string]int64{}, map[string]int64{}
	for k, o := range p.cloud.Objects("bucket-" + p.name) {
		if !strings.HasSuffix(k, ".UTC_report.status") {
			if !strings.HasPrefix(k, "events/") && !strings.HasPrefix(k, "statuses/.strm_test_") {
				p.t.Errorf("%s was stored", k)
			}
			continue
		}
		var report map[string][]entry
		p.must(json.Unmarshal(o.Body, &report))
		for file, entries := range report {
			for _, e := range entries {
				if e.Valid {
					good[file] += e.Rows
				} else {
					bad[file] += e.Rows
				}
			}
		}
	}
	if len(good) != p.files || len(bad) != p.files {
		p.t.Errorf("reports on %d and %d files of %d", len(good), len(bad), p.files)
	}
	for file := range good {
		if good[file] != 1 || bad[file] != 1 {
			p.t.Errorf("%s: %d rows good, %d bad", file, good[file], bad[file])
		}
	}
}

// The policies that strm prints for an importer are enough: to list, to read
// versions and what has none, and to report. With any part of them taken away
// files stay where they are, and what is said to be missing is what was taken
// away; with it back all of them are imported, once.
func TestOwnEmulatorOnly_ImportersPoliciesAreEnoughAndOneActionLessIsNot(t *testing.T) {
	w := newWorld(t, time.Hour)
	for _, tt := range []struct {
		name     string
		place    func(name string) *inbox
		kinds    string // that are pasted
		poorer   string // of those, the ones of which parts are taken away
		versions bool
		needless string // what such a bucket does not need
	}{
		{"in-iam", func(n string) *inbox { return w.newInbox(n, ours) }, "iam", "iam", true, ""},
		{"in-bucket-without-versions", func(n string) *inbox { return w.newInbox(n, ours) }, "bucket", "bucket", false, "s3:GetObjectVersion"},
		{"in-role-key", func(n string) *inbox {
			p := w.newInbox(n, ours)
			p.withRole().withKey(ours)
			p.cloud.SetEncryption("bucket-"+n, "aws:kms", p.key)
			return p
		}, "trust bucket kms", "trust kms", true, ""},
	} {
		p := tt.place(tt.name)
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := *p.world
			w.t, p.world = t, &w
			if tt.versions {
				p.cloud.SetVersions("bucket-" + p.name)
			}
			p.create()
			first := p.upload()
			lacking := "s3:ListBucket"
			if p.role != "" {
				lacking = "sts:AssumeRole"
			}
			p.must(p.lacks(first, lacking))
			set := named(p.policies(apiclient.PolicyQuery{Importer: p.name}))
			kinds := strings.Fields(tt.kinds)
			for _, k := range kinds {
				p.paste(k, set[k])
			}
			p.reopen()
			p.must(p.imported(first))
			tried := 0
			for _, k := range strings.Fields(tt.poorer) {
				for _, less := range lessThan(set[k]) {
					if strings.HasSuffix(less.what, "for another action") {
						continue // as if it were removed, and each trial takes its two seconds
					}
					p.paste(k, less.doc)
					p.reopen()
					key := p.upload()
					if less.action == tt.needless {
						p.must(p.imported(key))
						continue
					}
					if err := p.lacks(key, less.action); err != nil {
						t.Errorf("%s, %s: %v", k, less.what, err)
					}
					tried++
					p.paste(k, set[k])
					p.reopen()
					if err := p.imported(key); err != nil {
						t.Fatalf("%s, %s: with it back: %v", k, less.what, err)
					}
				}
			}
			if tried == 0 {
				t.Error("nothing was taken away")
			}
			p.check()
			t.Logf("%d poorer policies", tried)
		})
	}
}
