package access

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"strm/internal/api/apiv1"
	"strm/internal/apiclient"
)

// paste puts a document where it belongs, as a person would; nil for none.
func (p *place) paste(kind string, d *apiv1.Policy) {
	p.t.Helper()
	text := ""
	if d != nil && len(d.Statement) > 0 {
		b, err := json.Marshal(d)
		p.must(err)
		text = string(b)
	}
	var err error
	switch kind {
	case "iam":
		if p.role != "" {
			err = p.cloud.SetPolicy(p.role, text)
		} else {
			err = p.cloud.SetPolicy(p.user, text)
		}
	case "bucket":
		err = p.cloud.SetPolicy("bucket-"+p.name, text)
	case "kms":
		err = p.cloud.SetPolicy(p.key, text)
	case "trust":
		err = p.cloud.SetTrust(p.role, text)
	case "assume":
		err = p.cloud.SetPolicy(p.user, text)
	default:
		p.t.Fatalf("no such kind: %s", kind)
	}
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", kind, err, text)
	}
}

func named(s apiv1.Policies) map[string]*apiv1.Policy {
	return map[string]*apiv1.Policy{"iam": s.IAM, "bucket": s.Bucket, "kms": s.KMS, "trust": s.Trust, "assume": s.Assume}
}

// poorer is a document with something taken away, and the action that must then
// be named as missing.
type poorer struct {
	what, action string
	doc          *apiv1.Policy
}

// lessThan returns every document that allows a little less.
func lessThan(d *apiv1.Policy) (out []poorer) {
	change := func(what string, i int, do func(*apiv1.PolicyStatement) bool) {
		b, err := json.Marshal(d)
		if err != nil {
			panic(err)
		}
		var c apiv1.Policy
		if err := json.Unmarshal(b, &c); err != nil {
			panic(err)
		}
		if do(&c.Statement[i]) {
			out = append(out, poorer{what, d.Statement[i].Action, &c})
		} else {
			c.Statement = append(c.Statement[:i], c.Statement[i+1:]...)
			out = append(out, poorer{what, d.Statement[i].Action, &c})
		}
	}
	for i, s := range d.Statement {
		if s.Effect != "Allow" {
			continue
		}
		change(s.Sid+" removed", i, func(*apiv1.PolicyStatement) bool { return false })
		change(s.Sid+" for another action", i, func(s *apiv1.PolicyStatement) bool { s.Action += "Acl"; return true })
		for j, r := range s.Resource {
			if r == "*" {
				continue
			}
			change("without "+r, i, func(s *apiv1.PolicyStatement) bool {
				s.Resource = append(s.Resource[:j], s.Resource[j+1:]...)
				return len(s.Resource) > 0
			})
			change(r+" narrowed", i, func(s *apiv1.PolicyStatement) bool { s.Resource[j] = narrow(r); return true })
		}
		if s.Principal != nil {
			change("for another principal", i, func(s *apiv1.PolicyStatement) bool { s.Principal.AWS += "2"; return true })
		}
		for op, keys := range s.Condition {
			for k := range keys {
				change("another value of "+k, i, func(s *apiv1.PolicyStatement) bool { s.Condition[op][k] += "2"; return true })
			}
		}
	}
	return out
}

// narrow asks for one directory or character more than there is.
func narrow(resource string) string {
	if i := strings.LastIndexByte(resource, '*'); i >= 0 && !strings.HasSuffix(resource[:i], "${") {
		return resource[:i] + "narrower/" + resource[i:]
	}
	return resource + "x"
}

// For every way to give access: without the printed policies nothing works;
// with them the validation object and deliveries do; with any part of any of
// them taken away they do not, and what is said to be missing is what was taken
// away; with it back all is delivered, once.
func TestOwnEmulatorOnly_PrintedPoliciesAreEnoughAndOneActionLessIsNot(t *testing.T) {
	w := newWorld(t, time.Hour)
	strange := "we*rd/pre?fix/a$b/${x}"
	for _, tt := range []struct {
		name   string
		place  func(name string) *place
		kinds  string // that are pasted
		needed string // of those, the ones that are missed when they are poorer; empty: all
	}{
		{"iam", func(n string) *place { return w.newPlace(n, ours) }, "iam", ""},
		{"bucket", func(n string) *place { return w.newPlace(n, ours) }, "bucket", ""},
		{"across-accounts", func(n string) *place { return w.newPlace(n, theirs) }, "iam bucket", ""},
		{"key", func(n string) *place { return w.newPlace(n, ours).withKey(ours) }, "iam kms", "iam-StrmWrite kms"},
		{"key-bucket", func(n string) *place { return w.newPlace(n, ours).withKey(ours) }, "bucket kms", ""},
		{"key-across", func(n string) *place { return w.newPlace(n, ours).withKey(theirs) }, "iam kms", ""},
		{"role", func(n string) *place { return w.newPlace(n, ours).withRole() }, "trust iam", ""},
		{"role-bucket", func(n string) *place { return w.newPlace(n, ours).withRole() }, "trust bucket", ""},
		{"role-key", func(n string) *place { return w.newPlace(n, ours).withRole().withKey(ours) }, "trust bucket kms", ""},
		{"role-across", func(n string) *place {
			p := w.newPlace(n, ours)
			p.role = w.cloud.AddRole(theirs, n)
			p.put.RoleARN, p.put.ExternalID = p.role, "workspace-"+n
			return p
		}, "trust assume bucket", "trust assume"},
		{"prefixes", func(n string) *place {
			p := w.newPlace(n, ours)
			p.put.Bucket += "/" + strange
			p.exporters = []apiv1.CreateExporter{
				{Name: "plain", PathPrefix: "first"},
				{Name: "hive", PathPrefix: "second", Layout: "hive"},
				{Name: "dirs", PathPrefix: "third", Layout: "all-logs/{stream}/{batch}.{ext}"},
			}
			return p
		}, "iam", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.place(tt.name)
			w := *p.world
			w.t, p.world = t, &w
			p.create()
			if got := p.deliver(); len(got) != len(p.exporters) {
				t.Fatalf("without a policy: %d of %d are blocked: %q", len(got), len(p.exporters), got)
			}
			set := named(p.policies(apiclient.PolicyQuery{}))
			kinds := strings.Fields(tt.kinds)
			give := func() {
				for _, k := range kinds {
					p.paste(k, set[k])
				}
				p.reopen()
			}
			if tt.name == "role-across" { // role and bucket are on one side, so the role's name is enough there
				w.cloud.AddBucket(theirs, "bucket-"+tt.name, region)
			}
			give()
			if got := p.deliver(); len(got) != 0 {
				t.Fatalf("with the printed policies: %q", got)
			}
			p.check()
			tried := 0
			for _, k := range kinds {
				for _, less := range lessThan(set[k]) {
					sid, _, _ := strings.Cut(less.what, " ")
					if tt.needed != "" && !strings.Contains(tt.needed+" ", k+" ") && !strings.Contains(tt.needed, k+"-"+sid) {
						continue
					}
					p.paste(k, less.doc)
					p.reopen()
					got := p.deliver()
					if len(got) == 0 {
						t.Errorf("%s, %s: still delivers", k, less.what)
					}
					for _, reason := range got {
						if !strings.Contains(reason, "missing permission "+less.action+" on arn:aws:") {
							t.Errorf("%s, %s: %q does not name %s", k, less.what, reason, less.action)
						}
					}
					tried++
					p.paste(k, set[k])
				}
			}
			if tried == 0 {
				t.Error("nothing was taken away")
			}
			p.reopen()
			if got := p.deliver(); len(got) != 0 {
				t.Fatalf("with all of it back: %q", got)
			}
			p.check()
			t.Logf("%d poorer policies", tried)
		})
	}
}

// The resource of a policy covers what an exporter writes and no neighbour of it.
func TestOwnEmulatorOnly_PoliciesOfPrefixesWithWildcardsMeanThemAlone(t *testing.T) {
	w := newWorld(t, time.Hour)
	p := w.newPlace("stars", ours)
	p.put.Bucket += "/a*b"
	p.create()
	p.paste("iam", p.policies(apiclient.PolicyQuery{}).IAM)
	p.reopen()
	if got := p.deliver(); len(got) != 0 {
		t.Fatal(got)
	}
	p.put.Bucket = strings.Replace(p.put.Bucket, "a*b", "aXb", 1)
	p.reopen()
	if got := p.deliver(); len(got) != 1 || !strings.Contains(got[0], "missing permission s3:PutObject on arn:aws:s3:::bucket-stars/aXb/events/") {
		t.Errorf("a neighbour: %q", got)
	}
	p.paste("iam", p.policies(apiclient.PolicyQuery{}).IAM)
	p.paste("bucket", p.policies(apiclient.PolicyQuery{}).Bucket) // what was planned before keeps its prefix
	p.reopen()
	if got := p.deliver(); len(got) != 0 {
		t.Error(got)
	}
	p.check()
}

// A bucket that refuses uploads without encryption takes ours, and if the sink
// is told to send none, the reason says so.
func TestOwnEmulatorOnly_EnforcedEncryption(t *testing.T) {
	w := newWorld(t, time.Hour)
	for _, tt := range []struct{ as, hint string }{{"SSE-S3", "--encryption SSE-S3"}, {"SSE-KMS", "--encryption SSE-KMS"}} {
		p := w.newPlace(strings.ToLower(tt.as), ours)
		p.put.Encryption = tt.as
		p.create()
		p.paste("bucket", p.policies(apiclient.PolicyQuery{Enforce: true}).Bucket)
		p.reopen()
		if got := p.deliver(); len(got) != 0 {
			t.Fatalf("%s: %q", tt.as, got)
		}
		p.put.Encryption = "none"
		p.reopen()
		if got := p.deliver(); len(got) != 1 || !strings.Contains(got[0], tt.hint) {
			t.Errorf("%s: %q lacks %q", tt.as, got, tt.hint)
		}
		_, err := p.SinkPolicies(t.Context(), p.name, apiclient.PolicyQuery{Enforce: true})
		if err == nil || !strings.Contains(err.Error(), "--encryption SSE-S3") {
			t.Errorf("a policy that would lock strm out: %v", err)
		}
		p.put.Encryption = strings.ToLower(tt.as)
		p.reopen()
		if got := p.deliver(); len(got) != 0 {
			t.Errorf("%s again: %q", tt.as, got)
		}
		p.check()
	}
	// The other way round: a bucket that wants its default and refuses the header.
	p := w.newPlace("no-header", ours)
	p.put.Encryption = "AES256"
	p.create()
	s := p.policies(apiclient.PolicyQuery{})
	s.Bucket.Statement = append(s.Bucket.Statement, apiv1.PolicyStatement{
		Sid: "NoHeader", Effect: "Deny", Principal: &apiv1.PolicyPrincipal{AWS: "*"}, Action: "s3:PutObject", Resource: []string{"arn:aws:s3:::bucket-no-header/*"},
		Condition: map[string]map[string]string{"Null": {"s3:x-amz-server-side-encryption": "false"}},
	})
	p.paste("bucket", s.Bucket)
	p.reopen()
	if got := p.deliver(); len(got) != 1 || !strings.Contains(got[0], "--encryption none") {
		t.Errorf("the header is refused: %q", got)
	}
	// As the vendor has it for a KMS key: the bucket's default, no header.
	key := w.cloud.AddKey(ours, "default-key")
	w.cloud.SetEncryption("bucket-no-header", "aws:kms", key)
	p.put.Encryption = "none"
	p.reopen()
	if got := p.deliver(); len(got) != 1 || !strings.Contains(got[0], "missing permission kms:GenerateDataKey on "+key) {
		t.Errorf("the bucket's key: %q", got)
	}
	p.key = key
	p.paste("kms", p.policies(apiclient.PolicyQuery{KMSKey: key}).KMS)
	p.reopen()
	if got := p.deliver(); len(got) != 0 {
		t.Error(got)
	}
	p.check()
	w.cloud.Disable(key)
	if got := p.deliver(); len(got) != 1 || !strings.Contains(got[0], "the KMS key is disabled") {
		t.Error(fmt.Sprint(got))
	}
}

// The vendor's own set-up: a bucket string with a prefix, a bucket policy for
// segment-logs alone that enforces encryption, and nothing said about it.
func TestOwnEmulatorOnly_LayoutSegmentWithItsBucketPolicy(t *testing.T) {
	w := newWorld(t, time.Hour)
	p := w.newPlace("web", ours)
	p.put.Bucket += "/path/prefix"
	_, err := p.PutSink(t.Context(), p.name, p.put)
	w.must(err)
	_, err = w.CreateSource(t.Context(), apiv1.CreateSource{Name: "web", Kind: "segment", SourceID: "4mKq7ZtRw2VbXc9LsPdE1f"})
	w.must(err)
	x, err := w.CreateExporter(t.Context(), apiv1.CreateExporter{Name: "raw", Stream: "web", Sink: "web", Layout: "segment"})
	w.must(err)
	if !strings.Contains(x.Status.Reason, "missing permission s3:PutObject on arn:aws:s3:::bucket-web/path/prefix/segment-logs/.strm_test_") {
		t.Errorf("without a policy: %+v", x.Status)
	}
	set := p.policies(apiclient.PolicyQuery{Enforce: true})
	if got := strings.Join(set.Bucket.Statement[0].Resource, " "); got != "arn:aws:s3:::bucket-web/path/prefix/segment-logs/*" || len(set.Bucket.Statement) != 3 {
		t.Errorf("the bucket policy: %+v", set.Bucket)
	}
	p.paste("bucket", set.Bucket)
	x, err = w.Resume(t.Context(), "web/raw")
	w.must(err)
	if x.Status.State == "blocked" { // "retrying": the runner is about to hear of it
		t.Errorf("with the policy: %+v", x.Status)
	}
	for k, o := range w.cloud.Objects("bucket-web") {
		if !strings.HasPrefix(k, "path/prefix/segment-logs/.strm_test_") || o.Encryption != "AES256" || o.ContentType != "text/plain" || o.ContentCode != "gzip" {
			t.Errorf("%s: %+v", k, o)
		}
	}
	if n := len(w.cloud.Objects("bucket-web")); n != 1 {
		t.Errorf("%d objects", n)
	}
	p.put.Encryption = "none"
	p.reopen()
	x, err = w.Resume(t.Context(), "web/raw")
	w.must(err)
	if !strings.Contains(x.Status.Reason, "--encryption SSE-S3") {
		t.Errorf("without the header: %+v", x.Status)
	}
}
