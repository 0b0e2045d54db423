package cli

import (
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	var p prefixes
	for _, set := range []string{"10.1.2.3/8, 192.0.2.7", "::1,2001:db8::/32,,::ffff:192.0.2.8"} {
		if err := p.Set(set); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.String(); got != "10.0.0.0/8,192.0.2.7/32,::1/128,2001:db8::/32,192.0.2.8/32" {
		t.Error(got)
	}
	for _, bad := range []string{"loopback", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.1:80", "*"} {
		var p prefixes
		if err := p.Set(bad); err == nil || len(p) != 0 {
			t.Errorf("%s: %v, %v", bad, p, err)
		}
	}
	if err := p.Set(""); err != nil {
		t.Error(err)
	}
}
