package kafka

import (
	"slices"
	"strings"
	"testing"

	"strm/internal/problem"
)

func TestParse(t *testing.T) {
	o, err := Parse("kafka://us%40er:pass%2Fword@b1:9092,b2,[::1]:9094?tls=true&sasl=scram-sha-256&prefix=x.&replication=2&partitions=6")
	if err != nil || !slices.Equal(o.Brokers, []string{"b1:9092", "b2:9092", "[::1]:9094"}) || o.User != "us@er" || o.Password != "pass/word" ||
		o.TLS == nil || o.SASL != SASLScramSHA256 || o.Prefix != "x." || o.Replication != 2 || o.Partitions != 6 {
		t.Fatalf("%+v, %v", o, err)
	}
	if o, err = Parse("kafka://localhost:9092"); err != nil || o.TLS != nil || o.SASL != "" || o.User != "" {
		t.Fatalf("%+v, %v", o, err)
	}
	for address, want := range map[string]string{
		"http://b1":                              "begins with kafka://",
		"kafka://":                               "no host:port",
		"kafka://b1,,b2":                         "no host:port",
		"kafka://b1/topic":                       "no host:port",
		"kafka://u:s3cret@b1?tsl=true":           "ca, cert, key, partitions, prefix, replication, sasl, tls",
		"kafka://u:s3cret@b1?sasl=kerberos":      "plain, scram-sha-256, scram-sha-512",
		"kafka://b1?sasl=plain":                  "needs a user",
		"kafka://u:s3cret%zz@b1":                 "percent-encode",
		"kafka://u:s3cret@b1?tls=maybe":          "true or false",
		"kafka://u:s3cret@b1?tls=false&ca=/x":    "tls=false",
		"kafka://u:s3cret@b1?ca=/does/not/exist": "ca:",
		"kafka://u:s3cret@b1?cert=/not/there":    "cert and key",
		"kafka://b1?replication=0":               "from 1 on",
		"kafka://b1?partitions=many":             "from 1 on",
		"kafka://u:s3cret@b1?prefix=a&prefix=b":  "2 times",
		"kafka://u:s3cret@b1?%zz":                "cannot be read",
	} {
		_, err := Parse(address)
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v (%v)", address, err, problem.KindOf(err))
		}
	}
}
