package snsdouble_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"strm/test/snsdouble"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "arn:aws:sns:us-east-1:123456789012:t"

func start(t *testing.T) (*snsdouble.Double, *http.Client) {
	t.Helper()
	d, err := snsdouble.Start(t.Context(), t.TempDir(), "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := d.Transport(d.Roots())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		rt.CloseIdleConnections()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, &http.Client{Transport: rt}
}

func get(t *testing.T, c *http.Client, address string) (int, string) {
	t.Helper()
	res, err := c.Get(address)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// The signature of a message is over the documented string, written out here.
func TestSignature(t *testing.T) {
	d, c := start(t)
	b, err := d.Body(snsdouble.Message{Topic: topic, ID: "m-1", Text: "two\nlines", Version: 2})
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	status, text := get(t, c, m["SigningCertURL"])
	block, _ := pem.Decode([]byte(text))
	if status != http.StatusOK || block == nil {
		t.Fatal(status, text)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.VerifyHostname(snsdouble.SigningName); err != nil {
		t.Error(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: d.Roots(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	sum := sha256.Sum256([]byte("Message\ntwo\nlines\nMessageId\nm-1\nTimestamp\n" + m["Timestamp"] + "\nTopicArn\n" + topic + "\nType\nNotification\n"))
	signature, err := base64.StdEncoding.DecodeString(m["Signature"])
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
}

func TestProxyLeadsToOneHost(t *testing.T) {
	d, c := start(t)
	for _, host := range []string{d.Host() + ".evil.test", "evil.test", "sns.eu-west-1.amazonaws.com", d.Host() + ":8443"} {
		if status, text := get(t, c, "https://"+host+"/"); status != 0 || !strings.Contains(text, "Forbidden") {
			t.Errorf("%s: %d %s", host, status, text)
		}
	}
	for _, r := range d.Requests() {
		if r.Kind != "connect" || r.OK {
			t.Errorf("%+v", r)
		}
	}
}

func TestTokensAreForOnce(t *testing.T) {
	d, c := start(t)
	name := d.NewToken(topic)
	visit := func(topic string) int {
		status, _ := get(t, c, "https://"+d.Host()+"/?Action=ConfirmSubscription&Token="+name+"&TopicArn="+url.QueryEscape(topic))
		return status
	}
	if visit(topic+"x") != http.StatusBadRequest || d.Confirmed(name) {
		t.Error("another topic's was taken")
	}
	if visit(topic) != http.StatusOK || !d.Confirmed(name) {
		t.Error("not taken")
	}
	if visit(topic) != http.StatusBadRequest {
		t.Error("taken twice")
	}
}

func TestWhoIsAskedAgain(t *testing.T) {
	d, _ := start(t)
	for status, want := range map[int]int{200: 1, 204: 1, 301: 1, 400: 1, 403: 1, 404: 1, 429: 3, 500: 3, 503: 3} {
		ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("x-amz-sns-message-type") != snsdouble.Notification || r.Header.Get("Content-Type") != "text/plain; charset=UTF-8" {
				t.Error(r.Header)
			}
			w.WriteHeader(status)
		}))
		del, err := d.Deliver(t.Context(), ts.URL, snsdouble.Message{Topic: topic})
		if err != nil || len(del.Attempts) != want || del.Delivered != (status < 300) {
			t.Errorf("%d: %+v, %v", status, del, err)
		}
		ts.Close()
		del, err = d.Deliver(t.Context(), ts.URL, snsdouble.Message{Topic: topic})
		if err != nil || len(del.Attempts) != 3 || del.Delivered || del.Attempts[0].Err == nil {
			t.Errorf("nobody there: %+v, %v", del, err)
		}
	}
}

func TestEndpointFiles(t *testing.T) {
	d, _ := start(t)
	certificate, err := tls.LoadX509KeyPair(d.EndpointFiles())
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ts.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	ts.StartTLS()
	defer ts.Close()
	del, err := d.Deliver(t.Context(), strings.Replace(ts.URL, "127.0.0.1", "localhost", 1), snsdouble.Message{Topic: topic})
	if err != nil || !del.Delivered {
		t.Errorf("%+v, %v", del, err)
	}
}
