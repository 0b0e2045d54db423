package sns_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"strm/internal/notice/sns"
	"strm/test/snsdouble"
)

// A process of its own, as shipped, knows nothing of the double but the
// environment: the proxy that leads to it and the CA to trust.
func TestAsShipped(t *testing.T) {
	d, _ := rig(t, sns.Options{})
	m := body(t, d, snsdouble.Message{Topic: topic, Text: "x"})
	var base []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(strings.ToLower(v), "="); !strings.HasSuffix(name, "_proxy") && !strings.HasPrefix(name, "ssl_cert_") {
			base = append(base, v)
		}
	}
	verify := func(env []string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env, cmd.Stdin = append(append([]string{asChild + "=1"}, base...), env...), bytes.NewReader(m)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		return strings.TrimSpace(string(out))
	}
	if out := verify(d.Env()); out != "verified" {
		t.Error(out)
	}
	if d.Count("connect") != 1 || d.Count("certificate") != 1 {
		t.Error(d.Requests())
	}
	// Without the CA it trusts the system's, so not the double.
	var proxyOnly []string
	for _, v := range d.Env() {
		if !strings.HasPrefix(v, "SSL_CERT_FILE=") {
			proxyOnly = append(proxyOnly, v)
		}
	}
	if out := verify(proxyOnly); !strings.HasPrefix(out, string(sns.CheckCertificate)) || !strings.Contains(out, "unknown authority") {
		t.Error(out)
	}
	if d.Count("certificate") != 1 {
		t.Error(d.Requests())
	}
}
