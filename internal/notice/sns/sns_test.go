package sns_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"strm/internal/notice"
	"strm/internal/notice/sns"
	"strm/internal/problem"
	"strm/test/snsdouble"
)

const topic = "arn:aws:sns:us-east-1:123456789012:fme-events"

// rig is a verifier before a double, which it reaches through the double's
// proxy, trusting its CA.
func rig(t *testing.T, o sns.Options) (*snsdouble.Double, *sns.Verifier) {
	t.Helper()
	d, err := snsdouble.Start(t.Context(), t.TempDir(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, verifier(t, d, d.Roots(), o)
}

func verifier(t *testing.T, d *snsdouble.Double, roots *x509.CertPool, o sns.Options) *sns.Verifier {
	t.Helper()
	rt, err := d.Transport(roots)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rt.CloseIdleConnections)
	o.Transport = rt
	return sns.New(o)
}

func body(t *testing.T, d *snsdouble.Double, m snsdouble.Message) []byte {
	t.Helper()
	b, err := d.Body(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check returns the check that an error names.
func check(err error) sns.Check {
	var e *sns.Error
	if errors.As(err, &e) {
		return e.Check
	}
	return ""
}

func TestSignedMessagesPass(t *testing.T) {
	d, v := rig(t, sns.Options{})
	subject, none := "Amazon S3 Notification", ""
	texts := []string{`{"Records":[]}`, "two\nlines", `"quoted" \ back`, "ü \u2028 😀 <&>", ""}
	for _, version := range []int{1, 2} {
		for _, kind := range []string{snsdouble.Notification, snsdouble.Subscription, snsdouble.Unsubscription} {
			for _, s := range []*string{nil, &subject, &none} {
				for _, text := range texts {
					m := snsdouble.Message{Type: kind, Topic: topic, Text: text, Subject: s, Version: version, Token: "t"}
					e, err := v.Verify(t.Context(), body(t, d, m), topic)
					if err != nil || e.Message != text || string(e.Type) != kind || (e.Subject == nil) != (s == nil) {
						t.Errorf("version %d, %s, %q: %+v, %v", version, kind, text, e, err)
					}
				}
			}
		}
	}
	if n := d.Count("certificate"); n != 1 {
		t.Errorf("the certificate was fetched %d times", n)
	}
}

// byVerify lists the check that each forgery fails, if not that of the signature.
var byVerify = map[string]sns.Check{
	"other topic": sns.CheckTopic, "no topic": sns.CheckTopic, "unknown type": sns.CheckType,
	"no signature": sns.CheckForm, "empty signature": sns.CheckForm, "signature is no base64": sns.CheckForm, "version 3": sns.CheckForm, "no version": sns.CheckForm,
	"unsigned confirmation":          sns.CheckForm,
	"rogue key with its certificate": sns.CheckCertificate, "somebody else's certificate": sns.CheckCertificate, "certificate without an RSA key": sns.CheckCertificate,
	"stale": sns.CheckAge, "of the future": sns.CheckAge, "without a time": sns.CheckAge,
	"not JSON": sns.CheckJSON, "not an object": sns.CheckJSON, "raw": sns.CheckJSON, "raw without header": sns.CheckJSON,
	"confirmation of another topic": sns.CheckSubscribe, "confirmation that unsubscribes": sns.CheckSubscribe, "confirmation elsewhere": sns.CheckSubscribe,
	"confirmation over http": sns.CheckSubscribe, "confirmation with another token": sns.CheckSubscribe, "confirmation with two topics": sns.CheckSubscribe,
	"confirmation at a path": sns.CheckSubscribe,
	"no certificate URL":     sns.CheckURL, "certificate in the body": sns.CheckSignature,
}

func TestForgeriesAreRefusedForTheRightReason(t *testing.T) {
	d, v := rig(t, sns.Options{})
	for _, f := range d.Forgeries(topic, `{"Records":[{"a":1}]}`) {
		want, ok := byVerify[f.Name]
		if !ok {
			want = sns.CheckSignature
			if strings.HasPrefix(f.Name, "certificate ") {
				want = sns.CheckURL
			}
		}
		asked := len(d.Requests())
		e, err := v.Verify(t.Context(), body(t, d, f.Message), topic)
		if want == sns.CheckSubscribe && err == nil {
			_, err = v.Confirm(t.Context(), &e)
		}
		if check(err) != want {
			t.Errorf("%s: %v (%s), want %s", f.Name, err, check(err), want)
		}
		if k := problem.KindOf(err); k != problem.Forbidden && k != problem.Invalid {
			t.Errorf("%s: not final: %v", f.Name, err)
		}
		before := want == sns.CheckURL || want == sns.CheckTopic || want == sns.CheckType || want == sns.CheckJSON || want == sns.CheckForm
		if before && len(d.Requests()) != asked {
			t.Errorf("%s: caused %v", f.Name, d.Requests()[asked:])
		}
	}
	for _, r := range d.Requests() {
		if r.Kind == "connect" && r.What != d.Host()+":443" || r.Kind == "confirm" || r.Kind == "other" {
			t.Errorf("asked for %+v", r)
		}
	}
	// And the rig is not one that refuses everything.
	if _, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic, Text: "x"}), topic); err != nil {
		t.Error(err)
	}
}

func TestTamperedFieldsOfConfirmations(t *testing.T) {
	d, v := rig(t, sns.Options{})
	for _, kind := range []string{snsdouble.Subscription, snsdouble.Unsubscription} {
		for _, field := range []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "Type"} {
			m := snsdouble.Message{Type: kind, Topic: topic, Text: "x", Token: "t", After: func(f map[string]any) {
				switch field {
				case "Timestamp":
					f[field] = time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
				case "Type":
					f[field] = map[string]string{snsdouble.Subscription: snsdouble.Unsubscription, snsdouble.Unsubscription: snsdouble.Subscription}[kind]
				default:
					f[field] = f[field].(string) + "x"
				}
			}}
			if _, err := v.Verify(t.Context(), body(t, d, m), topic); check(err) != sns.CheckSignature {
				t.Errorf("%s %s: %v", kind, field, err)
			}
		}
	}
}

func TestSizeIsCheckedFirst(t *testing.T) {
	d, v := rig(t, sns.Options{})
	_, err := v.Verify(t.Context(), bytes.Repeat([]byte("{"), sns.MaxBody+1), topic)
	if check(err) != sns.CheckSize || problem.KindOf(err) != problem.TooLarge || len(d.Requests()) != 0 {
		t.Error(err, d.Requests())
	}
}

func TestVersion2CanBeRequired(t *testing.T) {
	d, v := rig(t, sns.Options{RequireV2: true})
	_, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic, Version: 1}), topic)
	if check(err) != sns.CheckForm || !strings.Contains(err.Error(), "SignatureVersion") {
		t.Error(err)
	}
	if _, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic, Version: 2}), topic); err != nil {
		t.Error(err)
	}
}

func TestOtherTrustRefusesEverything(t *testing.T) {
	d, _ := rig(t, sns.Options{})
	v := verifier(t, d, x509.NewCertPool(), sns.Options{})
	_, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic}), topic)
	if check(err) != sns.CheckCertificate || problem.KindOf(err) != problem.Unavailable {
		t.Error(err)
	}
}

func TestTroubleWithTheCertificateIsOurs(t *testing.T) {
	d, _ := rig(t, sns.Options{})
	for _, c := range []snsdouble.Certificate{snsdouble.Expired, snsdouble.Future, snsdouble.NoPEM, snsdouble.Missing, snsdouble.Redirected, snsdouble.Huge} {
		v, asked := verifier(t, d, d.Roots(), sns.Options{}), d.Count("certificate")
		now := time.Now()
		v.SetClock(func() time.Time { return now })
		m := body(t, d, snsdouble.Message{Topic: topic, CertURL: d.CertURL(c)})
		for range 5 {
			_, err := v.Verify(t.Context(), m, topic)
			if check(err) != sns.CheckCertificate || problem.KindOf(err) != problem.Unavailable {
				t.Errorf("%s: %v", c, err)
			}
		}
		if n := d.Count("certificate") - asked; n != 1 {
			t.Errorf("%s: asked %d times within a minute", c, n)
		}
		now = now.Add(time.Minute)
		_, _ = v.Verify(t.Context(), m, topic)
		if n := d.Count("certificate") - asked; n != 2 {
			t.Errorf("%s: asked %d times after a minute", c, n)
		}
	}
}

func TestOneFetchForManyMessages(t *testing.T) {
	d, v := rig(t, sns.Options{})
	m := body(t, d, snsdouble.Message{Topic: topic})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), m, topic); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := d.Count("certificate"); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestKeysAreKeptForADayAtMost(t *testing.T) {
	d, v := rig(t, sns.Options{})
	now := time.Now()
	v.SetClock(func() time.Time { return now })
	for _, step := range []struct {
		after   time.Duration
		fetches int
	}{{0, 1}, {23 * time.Hour, 1}, {2 * time.Hour, 2}} {
		now = now.Add(step.after)
		// The double's certificates end after a day, by the true clock.
		_, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic, At: now}), topic)
		if n := d.Count("certificate"); n != step.fetches || (err != nil) != (step.fetches == 2) {
			t.Errorf("after %s: %d fetches, %v", step.after, n, err)
		}
	}
}

func TestCertificatesKnownAreBounded(t *testing.T) {
	d, v := rig(t, sns.Options{})
	now := time.Now()
	v.SetClock(func() time.Time { now = now.Add(time.Millisecond); return now })
	good := body(t, d, snsdouble.Message{Topic: topic})
	if _, err := v.Verify(t.Context(), good, topic); err != nil {
		t.Fatal(err)
	}
	for i := range sns.MaxEntries * 2 {
		url := "https://" + d.Host() + "/SimpleNotificationService-" + strings.Repeat("0", 8+i%50) + strings.Repeat("1", 1+i/50) + ".pem"
		if _, err := v.Verify(t.Context(), body(t, d, snsdouble.Message{Topic: topic, CertURL: url}), topic); check(err) != sns.CheckCertificate {
			t.Fatal(err)
		}
		if n := v.Known(); n > sns.MaxEntries {
			t.Fatalf("%d certificates are known", n)
		}
	}
	// The one that vouches for something has not been driven out.
	fetched := d.Count("certificate")
	if _, err := v.Verify(t.Context(), good, topic); err != nil || d.Count("certificate") != fetched {
		t.Error(err, d.Count("certificate")-fetched)
	}
}

func TestConfirm(t *testing.T) {
	d, v := rig(t, sns.Options{})
	name := d.NewToken(topic)
	e, err := v.Verify(t.Context(), body(t, d, d.Confirmation(topic, name)), topic)
	if err != nil {
		t.Fatal(err)
	}
	arn, err := v.Confirm(t.Context(), &e)
	if err != nil || !strings.HasPrefix(arn, topic+":") || !d.Confirmed(name) {
		t.Errorf("%s, %v", arn, err)
	}
	// Again: the token is used up, which is told and may be tried again.
	arn, err = v.Confirm(t.Context(), &e)
	if arn != "" || check(err) != sns.CheckConfirm || problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "InvalidParameter") || strings.Contains(err.Error(), name) {
		t.Errorf("%s, %v", arn, err)
	}
	// Never for the goodbye, whose SubscribeURL would subscribe again.
	e, err = v.Verify(t.Context(), body(t, d, snsdouble.Message{Type: snsdouble.Unsubscription, Topic: topic, Token: d.NewToken(topic)}), topic)
	if err != nil || e.Type != notice.TypeUnsubscription {
		t.Fatal(err)
	}
	asked := d.Count("confirm")
	if _, err := v.Confirm(t.Context(), &e); check(err) != sns.CheckSubscribe || d.Count("confirm") != asked {
		t.Error(err)
	}
}
