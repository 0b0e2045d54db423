package access

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strm/internal/apiclient"
)

// send appends events and asks for their delivery, without waiting long.
func (p *place) send() {
	p.t.Helper()
	_, err := p.Append(p.t.Context(), apiclient.Append{Stream: p.name, Body: fmt.Appendf(nil, `{"n":%d}`+"\n", p.sent)})
	p.must(err)
	p.sent++
}

// flush waits for delivery, across answers that say "blocked", until all is
// there or the time of a slow test is over.
func (p *place) flush() {
	p.t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	token, why := "", ""
	for time.Now().Before(deadline) {
		f, err := p.Flush(p.t.Context(), p.name+"/"+p.exporters[0].Name, 5*time.Second, token)
		p.must(err)
		if f.Done {
			return
		}
		token, why = f.Token, f.Status.Reason
	}
	p.t.Fatalf("not delivered: %s", why)
}

// blocked asks for delivery and returns why there is none.
func (p *place) blocked() string {
	p.t.Helper()
	token := ""
	deadline := time.Now().Add(5 * time.Minute)
	for time.Now().Before(deadline) {
		f, err := p.Flush(p.t.Context(), p.name+"/"+p.exporters[0].Name, 5*time.Second, token)
		p.must(err)
		switch {
		case f.Done:
			p.t.Fatal("delivered, though it should not be possible")
		case f.Status.State == "blocked":
			return f.Status.Reason
		}
		token = f.Token
	}
	p.t.Fatal("neither delivered nor blocked")
	return ""
}

// A role that is taken away in the middle of deliveries stops them, each time
// with its reason; given back, they go on by themselves, and every event is
// there once. Nobody resumes anything, and the server is never told.
func TestOwnEmulatorOnly_RoleRevokedMidway(t *testing.T) {
	w := newWorld(t, 20*time.Millisecond)
	clock := time.Now()
	p := w.newPlace("midway", ours).withRole()
	p.create()
	set := p.policies(apiclient.PolicyQuery{})
	give := func() {
		p.paste("trust", set.Trust)
		p.paste("iam", set.IAM)
	}
	give()
	p.send()
	p.flush()
	for _, tt := range []struct {
		name string
		take func()
		want []string
	}{
		{"its permission", func() { p.paste("iam", nil) }, []string{"missing permission s3:PutObject on arn:aws:s3:::bucket-midway/events/"}},
		{"its trust and its sessions", func() { p.paste("trust", nil); w.cloud.Revoke(p.role) },
			[]string{"missing permission sts:AssumeRole on " + p.role, "trust policy", "external id"}},
		{"its trust; its sessions end", func() {
			p.paste("trust", nil)
			clock = clock.Add(2 * time.Hour)
			now := clock
			w.cloud.SetClock(func() time.Time { return now })
		}, []string{"missing permission sts:AssumeRole on " + p.role}},
	} {
		tt.take()
		p.send()
		why := p.blocked()
		for _, part := range tt.want {
			if !strings.Contains(why, part) {
				t.Errorf("without %s: %q lacks %q", tt.name, why, part)
			}
		}
		give()
		p.flush()
		p.check()
	}
	// Sessions that end or are revoked while the role stands stop nothing.
	for range 3 {
		w.cloud.Revoke(p.role)
		p.send()
		p.flush()
	}
	refused := 0
	for _, b := range p.batches() {
		if b.Attempts > 1 {
			refused++
		}
	}
	if refused != 3 {
		t.Errorf("%d batches were refused, want those of the three times that the role was taken away", refused)
	}
	p.check()
}

func (p *place) batches() (out []batch) {
	p.t.Helper()
	page, err := p.Batches(p.t.Context(), p.name+"/"+p.exporters[0].Name, apiclient.BatchQuery{Limit: 100})
	p.must(err)
	for _, b := range page.Batches {
		out = append(out, batch{b.Attempts})
	}
	return out
}

type batch struct{ Attempts int }

// The external id decides: a wrong one, none, and a role that trusts another.
func TestOwnEmulatorOnly_ExternalID(t *testing.T) {
	w := newWorld(t, time.Hour)
	p := w.newPlace("external", ours).withRole()
	p.create()
	set := p.policies(apiclient.PolicyQuery{})
	p.paste("trust", set.Trust)
	p.paste("iam", set.IAM)
	right := p.put.ExternalID
	for _, tt := range []struct {
		id string
		ok bool
	}{{right, true}, {"another", false}, {"", false}, {strings.ToUpper(right), false}, {right, true}} {
		p.put.ExternalID = tt.id
		p.reopen()
		got := p.deliver()
		switch {
		case tt.ok != (len(got) == 0):
			t.Errorf("%q: %q", tt.id, got)
		case !tt.ok && !strings.Contains(got[0], "missing permission sts:AssumeRole on "+p.role):
			t.Errorf("%q: %q", tt.id, got)
		}
	}
	p.check()
	asked := 0
	for _, c := range w.cloud.Calls() {
		if c.Action == "sts:AssumeRole" && c.By != p.user {
			t.Errorf("%s assumed the role", c.By)
		}
		if c.Action != "sts:AssumeRole" && c.Action != "s3:PutObject" {
			asked++
		}
	}
	if asked != 0 {
		t.Errorf("%d requests beyond s3:PutObject and sts:AssumeRole: %+v", asked, w.cloud.Calls())
	}
}
