package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/objstore"
	"strm/internal/objstore/objstoretest"
	"strm/internal/objstore/s3"
)

const (
	roleARN       = "arn:aws:iam::123456789012:role/strm-writer"
	sessionSecret = "s3ss10nS3cr3t"
	sessionToken  = "IQoJb3JpZ2luSessionToken"
)

// cloud is a store and an STS behind one address. Credentials of sessions are
// numbered; put decides about a PUT that a session signed.
type cloud struct {
	mu     sync.Mutex
	assume func(w http.ResponseWriter, r *http.Request, n int)
	put    func(w http.ResponseWriter, r *http.Request, session string)
	forms  []string
	puts   []string
}

func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	signer, _, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="), "/")
	switch r.Method {
	case http.MethodPost:
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c.forms = append(c.forms, signer+" "+string(b))
		c.assume(w, r, len(c.forms))
	case http.MethodPut:
		c.puts = append(c.puts, signer)
		if c.put != nil {
			c.put(w, r, signer)
			return
		}
		w.Header().Set("ETag", `"x"`)
	default:
		w.Header().Set("x-amz-bucket-region", "eu-west-1")
	}
}

// granted answers AssumeRole with credentials that last for a while.
func granted(lasts time.Duration) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, n int) {
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>AROA:strm</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/strm-writer/strm</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>`, n, sessionSecret, sessionToken, time.Now().Add(lasts).UTC().Format(time.RFC3339))
	}
}

// refused answers as AWS STS does.
func refused(status int, code, message string) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Type", "text/xml")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code, message)
	}
}

func roleConfig(url string) s3.Config {
	cfg := config(url)
	cfg.Role = s3.Role{ARN: roleARN, ExternalID: "workspace-7"}
	cfg.Session = "strm-5f3a"
	return cfg
}

func TestRoleIsAssumedOnceAndSigns(t *testing.T) {
	c := &cloud{assume: granted(time.Hour)}
	c.put = func(w http.ResponseWriter, r *http.Request, _ string) {
		if got := r.Header.Get("X-Amz-Security-Token"); got != sessionToken {
			t.Errorf("token %q", got)
		}
		w.Header().Set("ETag", `"x"`)
	}
	b := open(t, roleConfig(listen(t, c)))
	for range 3 {
		if err := b.Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.forms) != 1 || fmt.Sprint(c.puts) != "[ASIA1 ASIA1 ASIA1]" {
		t.Fatalf("questions %q, puts %q", c.forms, c.puts)
	}
	for _, part := range []string{"AKIATESTTESTTESTTEST ", "Action=AssumeRole", "ExternalId=workspace-7", "RoleSessionName=strm-5f3a", "DurationSeconds=3600",
		"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fstrm-writer"} {
		if !strings.Contains(c.forms[0], part) {
			t.Errorf("the question %q lacks %q", c.forms[0], part)
		}
	}
}

// STS has an endpoint of its own; without an external id none is sent.
func TestRoleAtItsOwnEndpoint(t *testing.T) {
	office := &cloud{assume: granted(time.Hour)}
	shop := &cloud{assume: refused(400, "SignatureDoesNotMatch", "no STS here")}
	cfg := config(listen(t, shop))
	cfg.Role = s3.Role{ARN: roleARN, STSEndpoint: listen(t, office) + "/"}
	if err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	if len(office.forms) != 1 || len(shop.forms) != 0 || len(office.puts) != 0 || fmt.Sprint(shop.puts) != "[ASIA1]" {
		t.Errorf("STS %+v, store %+v", office.forms, shop)
	}
	if strings.Contains(office.forms[0], "ExternalId") || !strings.Contains(office.forms[0], "RoleSessionName=strm&") {
		t.Errorf("asked %q", office.forms[0])
	}
}

func TestRoleRefused(t *testing.T) {
	denied := `User: arn:aws:iam::123456789012:user/x is not authorized to perform: sts:AssumeRole on resource: ` + roleARN
	for _, tt := range []struct {
		name   string
		assume func(http.ResponseWriter, *http.Request, int)
		reason objstore.Reason
		text   string
	}{
		{"denied", refused(403, "AccessDenied", denied), objstore.Denied, "missing permission sts:AssumeRole on " + roleARN},
		{"denied, what to check", refused(403, "AccessDenied", denied), objstore.Denied, "trust policy"},
		{"denied, external id", refused(403, "AccessDenied", denied), objstore.Denied, "sts:ExternalId"},
		{"unknown role", refused(404, "NoSuchEntity", "x"), objstore.BadRequest, "there is no role " + roleARN},
		{"unknown role, in words of radosgw", func(w http.ResponseWriter, r *http.Request, _ int) { xmlError(404, "NoSuchEntity", "")(w, r) },
			objstore.BadRequest, "there is no role " + roleARN},
		{"validation", refused(400, "ValidationError", "1 validation error detected: Value 'x' at 'externalId'"), objstore.BadRequest, "validation error detected"},
		{"region off", refused(403, "RegionDisabledException", "x"), objstore.BadRequest, "--sts-endpoint"},
		{"expired", refused(403, "ExpiredToken", "The security token included in the request is expired"), objstore.BadCredentials, "should assume the role have expired"},
		{"expired, other spelling", refused(400, "ExpiredTokenException", "x"), objstore.BadCredentials, "have expired"},
		{"unknown key", refused(403, "InvalidClientTokenId", "x"), objstore.BadCredentials, "does not know the access key"},
		{"wrong secret", refused(403, "SignatureDoesNotMatch", "The request signature we calculated does not match"), objstore.BadCredentials, "secret access key"},
		{"clock", refused(403, "SignatureDoesNotMatch", "Signature expired: 20261120T000000Z is now earlier than 20261120T100000Z"), objstore.ClockSkew, "clock"},
		{"clock ahead", refused(403, "SignatureDoesNotMatch", "Signature not yet current: x"), objstore.ClockSkew, "clock"},
		{"throttled", refused(400, "Throttling", "Rate exceeded"), objstore.Throttled, "slow down"},
		{"503", refused(503, "ServiceUnavailable", "x"), objstore.Throttled, "not available"},
		{"500", refused(500, "InternalFailure", "x"), objstore.Unknown, "STS failed"},
		{"502 of a proxy", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(502) }, objstore.Unknown, "STS failed"},
		{"401", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(401) }, objstore.BadCredentials, "does not accept"},
		{"403 without words", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(403) }, objstore.Denied, "sts:AssumeRole"},
		{"no STS", func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(405) }, objstore.BadRequest, "does not serve sts:AssumeRole"},
		{"a web page", func(w http.ResponseWriter, _ *http.Request, _ int) { _, _ = io.WriteString(w, "<html>hello</html>") }, objstore.BadRequest, "no answer of STS"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}, objstore.BadRequest, "does not serve"},
		{"ended already", granted(-time.Hour), objstore.ClockSkew, "ended already"},
		{"the connection ends", func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) }, objstore.Unreachable, "cannot be reached"},
		{"echo", refused(400, "ValidationError", "you sent "+secret+" and "+token), objstore.BadRequest, "you sent *** and ***"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &cloud{assume: tt.assume}
			for _, region := range []string{"", "eu-west-1"} { // with and without a question to the store first
				cfg := roleConfig(listen(t, c))
				cfg.Region = region
				err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes([]byte("x")))
				e := objstoretest.Want(t, err, objstore.NotSent)
				if e.Reason != tt.reason || e.Key != "k" || e.Op == "" {
					t.Errorf("region %q: %+v", region, e)
				}
				if !strings.Contains(e.Error(), tt.text) {
					t.Errorf("%q lacks %q", e, tt.text)
				}
				if (e.Reason == objstore.Denied) != (e.Action != "") {
					t.Errorf("action %q", e.Action)
				}
				noSecrets(t, err)
			}
			c.mu.Lock() // a handler that ended its connection may still be there
			defer c.mu.Unlock()
			if len(c.forms) != 2 || len(c.puts) != 0 {
				t.Errorf("%d questions and %d puts in two calls", len(c.forms), len(c.puts))
			}
		})
	}
}

func TestRoleUnreachable(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := roleConfig(listen(t, &cloud{}))
	cfg.Role.STSEndpoint = "http://" + closed.Addr().String()
	e := objstoretest.Want(t, open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)), objstore.NotSent)
	if e.Reason != objstore.Unreachable || e.Reason.NeedsPerson() || !strings.Contains(e.Error(), "STS cannot be reached") {
		t.Errorf("%+v", e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e = objstoretest.Want(t, open(t, cfg).Create(ctx, "k", objstore.Bytes(nil)), objstore.NotSent)
	if e.Reason.NeedsPerson() || !errors.Is(e, context.Canceled) {
		t.Errorf("given up: %+v", e)
	}
}

func TestRoleWithoutBaseCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
		"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CA_BUNDLE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	c := &cloud{assume: granted(time.Hour)}
	cfg := s3.Config{Bucket: bucketName, Endpoint: listen(t, c), PathStyle: true, Region: "eu-west-1", Ambient: true, Role: s3.Role{ARN: roleARN}}
	b := open(t, cfg)
	e := objstoretest.Want(t, b.Create(t.Context(), "k", objstore.Bytes(nil)), objstore.NotSent)
	if e.Reason != objstore.BadCredentials || len(c.forms) != 0 {
		t.Errorf("%+v after %q", e, c.forms)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAAMBIENTAMBIENT00")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	if err := open(t, cfg).Create(t.Context(), "k", objstore.Bytes(nil)); err != nil {
		t.Fatal(err)
	}
	if len(c.forms) != 1 || !strings.HasPrefix(c.forms[0], "AKIAAMBIENTAMBIENT00 ") || fmt.Sprint(c.puts) != "[ASIA1]" {
		t.Errorf("questions %q, puts %q", c.forms, c.puts)
	}
}

// A session is renewed before it ends; if that fails, deliveries go on with the
// old one until it has ended.
func TestRoleIsRenewedInTime(t *testing.T) {
	c := &cloud{assume: granted(time.Hour)}
	b := open(t, roleConfig(listen(t, c)))
	clock := time.Now()
	b.SetClock(func() time.Time { return clock })
	create := func() error { return b.Create(t.Context(), "k", objstore.Bytes(nil)) }
	for _, step := range []time.Duration{0, 30 * time.Minute, 26 * time.Minute} {
		clock = clock.Add(step)
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
	if got := fmt.Sprint(c.puts); got != "[ASIA1 ASIA1 ASIA2]" {
		t.Fatalf("puts %s", got)
	}
	// By the test's clock the second session lasts four minutes, as STS goes by the real one.
	clock = clock.Add(3 * time.Minute)
	c.assume = refused(500, "InternalFailure", "x")
	if err := create(); err != nil || len(c.forms) != 3 || c.puts[3] != "ASIA2" {
		t.Fatalf("a failed renewal: %v after %d questions and puts %v", err, len(c.forms), c.puts)
	}
	clock = clock.Add(time.Hour)
	if e := objstoretest.Want(t, create(), objstore.NotSent); e.Reason.NeedsPerson() || len(c.puts) != 4 {
		t.Errorf("after the end: %+v", e)
	}
	c.assume = refused(403, "AccessDenied", "x")
	if e := objstoretest.Want(t, create(), objstore.NotSent); e.Reason != objstore.Denied {
		t.Errorf("after the end, revoked: %+v", e)
	}
}

// What the store no longer takes is not used again: a new session is tried at
// once, and if that does not work either the answer is the reason.
func TestRoleWhoseSessionEndsEarly(t *testing.T) {
	for _, code := range []string{"ExpiredToken", "InvalidToken", "InvalidAccessKeyId"} {
		c := &cloud{assume: granted(time.Hour)}
		gone := map[string]bool{}
		c.put = func(w http.ResponseWriter, r *http.Request, session string) {
			if gone[session] {
				xmlError(400, code, "The provided token "+sessionToken+" has expired.")(w, r)
				return
			}
			w.Header().Set("ETag", `"x"`)
		}
		b := open(t, roleConfig(listen(t, c)))
		create := func() error { return b.Create(t.Context(), "k", objstore.Bytes([]byte("x"))) }
		if err := create(); err != nil {
			t.Fatal(err)
		}
		gone["ASIA1"] = true
		if err := create(); err != nil {
			t.Fatalf("%s: %v", code, err)
		}
		gone["ASIA2"], gone["ASIA3"] = true, true
		e := objstoretest.Want(t, create(), objstore.Rejected)
		if e.Reason != objstore.BadCredentials || e.Code != code || !strings.Contains(e.Error(), "***") {
			t.Errorf("%+v", e)
		}
		if strings.Contains(e.Error(), sessionToken) || strings.Contains(fmt.Sprintf("%#v", e.Err), sessionToken) {
			t.Errorf("%v shows the session's token", e)
		}
		c.assume = refused(403, "AccessDenied", "no")
		e = objstoretest.Want(t, create(), objstore.NotSent)
		if e.Reason != objstore.Denied || e.Action != "sts:AssumeRole on "+roleARN {
			t.Errorf("the role is gone: %+v", e)
		}
		c.assume = granted(time.Hour)
		if err := create(); err != nil {
			t.Errorf("the role works again, but: %v", err)
		}
	}
}

// Some stores only say "denied" to a session whose role is gone. Unless it is
// young, a new one is tried at once, so that the reason is told.
func TestRoleThatIsGoneShowsAtOnce(t *testing.T) {
	c := &cloud{assume: granted(time.Hour)}
	b := open(t, roleConfig(listen(t, c)))
	clock := time.Now()
	b.SetClock(func() time.Time { return clock })
	create := func() error { return b.Create(t.Context(), "k", objstore.Bytes([]byte("x"))) }
	if err := create(); err != nil {
		t.Fatal(err)
	}
	c.put = func(w http.ResponseWriter, r *http.Request, _ string) { xmlError(403, "AccessDenied", "")(w, r) }
	c.assume = refused(403, "AccessDenied", "no")
	if e := objstoretest.Want(t, create(), objstore.Rejected); !strings.HasPrefix(e.Action, "s3:PutObject") || len(c.forms) != 1 {
		t.Errorf("a young session: %+v after %d questions", e, len(c.forms))
	}
	clock = clock.Add(time.Minute)
	if e := objstoretest.Want(t, create(), objstore.NotSent); e.Action != "sts:AssumeRole on "+roleARN || len(c.forms) != 2 || len(c.puts) != 3 {
		t.Errorf("the role is gone: %+v after %d questions and puts %v", e, len(c.forms), c.puts)
	}
	c.assume = granted(time.Hour)
	clock = clock.Add(time.Minute)
	if e := objstoretest.Want(t, create(), objstore.Rejected); !strings.HasPrefix(e.Action, "s3:PutObject") || len(c.forms) != 3 || len(c.puts) != 4 {
		t.Errorf("the role is back without its permission: %+v after %d questions and puts %v", e, len(c.forms), c.puts)
	}
	c.put = nil
	if err := create(); err != nil || len(c.forms) != 3 {
		t.Errorf("all is well again: %v after %d questions", err, len(c.forms))
	}
}

func TestRoleConfigIsChecked(t *testing.T) {
	good := roleConfig("http://127.0.0.1:1")
	for name, change := range map[string]func(*s3.Config){
		"external id alone":   func(c *s3.Config) { c.Role.ARN = "" },
		"STS is no URL":       func(c *s3.Config) { c.Role.STSEndpoint = "sts" },
		"key without SSE-KMS": func(c *s3.Config) { c.KMSKey = "k" },
		"unknown encryption":  func(c *s3.Config) { c.Encryption = "rot13" },
	} {
		cfg := good
		change(&cfg)
		if _, err := s3.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
