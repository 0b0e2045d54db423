package awsdouble

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/objstore"
	"strm/internal/objstore/s3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "123456789012"

func TestSignatures(t *testing.T) {
	c := New("eu-west-1")
	c.AddBucket(account, "b", "eu-west-1")
	arn, key := c.AddUser(account, "u")
	if err := c.SetPolicy(arn, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"}}`); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(c)
	defer srv.Close()
	for _, tt := range []struct {
		name   string
		change func(*s3.Config)
		code   string
	}{
		{"right", func(*s3.Config) {}, ""},
		{"right, region found", func(c *s3.Config) { c.Region = "" }, ""},
		{"wrong secret", func(c *s3.Config) { c.SecretAccessKey += "x" }, "SignatureDoesNotMatch"},
		{"unknown key", func(c *s3.Config) { c.AccessKeyID += "x" }, "InvalidAccessKeyId"},
		{"token that is none", func(c *s3.Config) { c.SessionToken = "x" }, "InvalidToken"},
		{"wrong region", func(c *s3.Config) { c.Region = "us-east-1" }, "AuthorizationHeaderMalformed"},
	} {
		cfg := s3.Config{Bucket: "b", Endpoint: srv.URL, PathStyle: true, Region: "eu-west-1", AccessKeyID: key.ID, SecretAccessKey: key.Secret}
		tt.change(&cfg)
		b, err := s3.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		// Characters that are signed in more than one spelling.
		err = b.Create(t.Context(), "p/dt=2026-11-20/a:b +~*'() ü.jsonl"+tt.name, objstore.Bytes([]byte("x")))
		if code := objstore.AsError(err).Code; (err == nil) != (tt.code == "") || code != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(c.Objects("b")); n != 2 {
		t.Errorf("%d objects", n)
	}
}

func TestPoliciesThatAreNotUnderstoodAreRefused(t *testing.T) {
	c := New("eu-west-1")
	c.AddBucket(account, "b", "eu-west-1")
	user, _ := c.AddUser(account, "u")
	role := c.AddRole(account, "r")
	const s = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",%s}]}`
	for text, set := range map[string]func(string) error{
		`"Action":"s3:*"`: func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Principal":"*"`:    func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*"`:                    func(p string) error { return c.SetPolicy("b", p) },
		`"Action":"s3:*","Resource":"*","Principal":"me"`:   func(p string) error { return c.SetPolicy("b", p) },
		`"Action":"s3:*","Resource":"*","NotPrincipal":"*"`: func(p string) error { return c.SetPolicy("b", p) },
		`"Resource":"*"`: func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"${aws:username}"`:                                       func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Condition":{"NumericLessThan":{"s3:max-keys":"1"}}`: func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Condition":{"BoolNot":{"aws:SecureTransport":"1"}}`: func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Condition":{"Null":{"s3:if-none-match":"yes"}}`:     func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Condition":{"NullIfExists":{"s3:x":"true"}}`:        func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"sts:AssumeRole","Resource":"*","Principal":{"AWS":"123456789012"}`:        func(p string) error { return c.SetTrust(role, p) },
		`"Action":"sts:AssumeRole"`:                                                            func(p string) error { return c.SetTrust(role, p) },
		`"Action":"sts:AssumeRole","Principal":{"Federated":"x"}`:                              func(p string) error { return c.SetTrust(role, p) },
		`"Action":"s3:*","NotAction":"s3:*","Resource":"*"`:                                    func(p string) error { return c.SetPolicy(user, p) },
		`"Action":"s3:*","Resource":"*","Condition":{"StringSomewhat":{"s3:if-none-match":1}}`: func(p string) error { return c.SetPolicy(user, p) },
	} {
		if err := set(fmt.Sprintf(s, text)); err == nil {
			t.Errorf("taken: %s", text)
		}
	}
	if err := c.SetPolicy(user, `{"Version":"2012-10-17","Statement":[]}`); err == nil {
		t.Error("taken: no statement")
	}
	if err := c.SetPolicy("nobody", ""); err == nil {
		t.Error("taken: a policy for nobody")
	}
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		condition string
		value     []string
		want      bool
	}{
		{`{"StringEquals":{"K":"a"}}`, []string{"a"}, true},
		{`{"StringEquals":{"k":["b","a"]}}`, []string{"a"}, true},
		{`{"StringEquals":{"k":"a"}}`, []string{"A"}, false},
		{`{"StringEquals":{"k":"a"}}`, nil, false},
		{`{"StringEqualsIfExists":{"k":"a"}}`, nil, true},
		{`{"StringEqualsIgnoreCase":{"k":"a"}}`, []string{"A"}, true},
		{`{"StringNotEquals":{"k":"a"}}`, []string{"b"}, true},
		{`{"StringNotEquals":{"k":["a","b"]}}`, []string{"b"}, false},
		{`{"StringNotEquals":{"k":"a"}}`, nil, true},
		{`{"StringLike":{"k":"a*c?"}}`, []string{"abbcd"}, true},
		{`{"StringLike":{"k":"a${*}"}}`, []string{"ab"}, false},
		{`{"StringNotLike":{"k":"a*"}}`, []string{"b"}, true},
		{`{"Bool":{"k":"true"}}`, []string{"true"}, true},
		{`{"Bool":{"k":"true"}}`, nil, false},
		{`{"BoolIfExists":{"k":"true"}}`, nil, true},
		{`{"Null":{"k":"true"}}`, nil, true},
		{`{"Null":{"k":"true"}}`, []string{"x"}, false},
		{`{"Null":{"k":"false"}}`, []string{"x"}, true},
		{`{"Null":{"k":"false"}}`, nil, false},
		{`{"ArnLike":{"k":"arn:aws:s3:::*"}}`, []string{"arn:aws:s3:::b"}, true},
		{`{"ForAnyValue:StringEquals":{"k":"b"}}`, []string{"a", "b"}, true},
		{`{"ForAnyValue:StringEquals":{"k":"b"}}`, nil, false},
		{`{"ForAllValues:StringEquals":{"k":"b"}}`, []string{"a", "b"}, false},
		{`{"ForAllValues:StringEquals":{"k":["a","b"]}}`, []string{"a", "b"}, true},
		{`{"ForAllValues:StringEquals":{"k":"b"}}`, nil, true},
		{`{"StringEquals":{"k":"a"},"Null":{"other":"false"}}`, []string{"a"}, false},
	} {
		d, err := parse(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":`+tt.condition+`}}`, identityPolicy)
		if err != nil {
			t.Errorf("%s: %v", tt.condition, err)
			continue
		}
		if got := d.says(caller{}, ask{keys: map[string][]string{"k": tt.value}}).allow; got != tt.want {
			t.Errorf("%s with %q: %v", tt.condition, tt.value, got)
		}
	}
}

// Who must allow: within an account, across accounts, for keys and roles.
func TestBothSides(t *testing.T) {
	doc := func(effect, principal string) document {
		if effect == "" {
			return nil
		}
		text, k := `{"Version":"2012-10-17","Statement":{"Effect":"`+effect+`","Action":"s3:*","Resource":"*"`, identityPolicy
		if principal != "" {
			text, k = text+`,"Principal":{"AWS":"`+principal+`"}`, resourcePolicy
		}
		d, err := parse(text+"}}", k)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	me := "arn:aws:iam::" + account + ":user/u"
	root := "arn:aws:iam::" + account + ":root"
	for _, tt := range []struct {
		own, effect, principal, owner string
		use, leave                    bool
	}{
		{"", "", "", account, false, false},
		{"Allow", "", "", account, true, false},
		{"", "Allow", me, account, true, true},
		{"", "Allow", "*", account, true, true},
		{"", "Allow", root, account, false, false},
		{"Allow", "Allow", root, account, true, true},
		{"Allow", "Allow", account, account, true, true},
		{"Deny", "Allow", me, account, false, false},
		{"Allow", "Deny", "*", account, false, false},
		{"Allow", "Deny", root, account, false, false},
		{"Allow", "Allow", me + "2", account, true, false},
		{"Allow", "", "", "999999999999", false, false},
		{"", "Allow", me, "999999999999", false, false},
		{"Allow", "Allow", me, "999999999999", true, true},
		{"Allow", "Allow", root, "999999999999", true, true},
	} {
		by := caller{arn: me, account: account, policy: doc(tt.own, "")}
		a := ask{action: "s3:PutObject", resource: "arn:aws:s3:::b/k"}
		var policy document
		if tt.effect != "" {
			policy = doc(tt.effect, tt.principal)
		}
		if got := mayUse(by, a, policy, tt.owner); got != tt.use {
			t.Errorf("%+v: may use: %v", tt, got)
		}
		if got := mayByLeave(by, a, policy, tt.owner); got != tt.leave {
			t.Errorf("%+v: may by leave: %v", tt, got)
		}
	}
	if !doc("Allow", "*").says(caller{}, ask{action: "S3:putobject"}).allow {
		t.Error("actions are the same in any case")
	}
}
