package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"strm/internal/problem"
)

// parameters that Parse knows.
var parameters = []string{"ca", "cert", "key", "partitions", "prefix", "replication", "sasl", "tls"}

// Parse reads kafka://user@host:port,host:port?parameters. A port that is missing is 9092.
//
// The parameters: tls=true for TLS; ca, cert and key, files in PEM, which imply it;
// sasl=plain, scram-sha-256 or scram-sha-512; prefix, replication and partitions of topics
// that are made. A password may stand behind the user; errors never show it.
func Parse(address string) (Options, error) {
	var o Options
	rest, ok := strings.CutPrefix(address, "kafka://")
	if !ok {
		return o, problem.New(problem.Invalid, "kafka: an address begins with kafka://")
	}
	rest, query, _ := strings.Cut(rest, "?")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		user, password, _ := strings.Cut(rest[:i], ":")
		var err, other error
		o.User, err = url.PathUnescape(user)
		o.Password, other = url.PathUnescape(password)
		if err != nil || other != nil || o.User == "" { // the cause would show what it is about
			return Options{}, problem.New(problem.Invalid, "kafka: user and password before the '@' cannot be read: percent-encode what is special in them")
		}
		rest = rest[i+1:]
	}
	for host := range strings.SplitSeq(strings.TrimSuffix(rest, "/"), ",") {
		host, err := broker(host)
		if err != nil {
			return Options{}, err
		}
		o.Brokers = append(o.Brokers, host)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return Options{}, problem.New(problem.Invalid, "kafka: parameters behind the '?' cannot be read")
	}
	for name, vs := range values {
		if !slices.Contains(parameters, name) {
			return Options{}, problem.New(problem.Invalid, "kafka: unknown parameter %q; there are %s", name, strings.Join(parameters, ", "))
		}
		if len(vs) > 1 {
			return Options{}, problem.New(problem.Invalid, "kafka: parameter %s is there %d times", name, len(vs))
		}
	}
	o.SASL, o.Prefix = values.Get("sasl"), values.Get("prefix")
	if err := o.encrypt(values); err != nil {
		return Options{}, err
	}
	for name, into := range map[string]*int{"replication": &o.Replication, "partitions": &o.Partitions} {
		if !values.Has(name) {
			continue
		}
		if *into, err = strconv.Atoi(values.Get(name)); err != nil || *into < 1 || *into > 32767 {
			return Options{}, problem.New(problem.Invalid, "kafka: %s=%q is no number from 1 on", name, values.Get(name))
		}
	}
	if _, err := o.complete(); err != nil {
		return Options{}, err
	}
	return o, nil
}

// broker returns host:port.
func broker(s string) (string, error) {
	if s == "" || strings.ContainsAny(s, "/@ ") {
		return "", problem.New(problem.Invalid, "kafka: %q is no host:port of a broker", s)
	}
	if _, _, err := net.SplitHostPort(s); err == nil {
		return s, nil
	}
	return net.JoinHostPort(strings.Trim(s, "[]"), "9092"), nil
}

// encrypt reads what the parameters say of TLS.
func (o *Options) encrypt(values url.Values) error {
	files := values.Has("ca") || values.Has("cert") || values.Has("key")
	switch values.Get("tls") {
	case "true":
	case "":
		if !files {
			return nil
		}
	case "false":
		if files {
			return problem.New(problem.Invalid, "kafka: tls=false, but ca, cert or key is given")
		}
		return nil
	default:
		return problem.New(problem.Invalid, "kafka: tls=%q; it is true or false", values.Get("tls"))
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca := values.Get("ca"); ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return problem.New(problem.Invalid, "kafka: ca: %w", err)
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return problem.New(problem.Invalid, "kafka: ca: %s holds no certificate in PEM", ca)
		}
	}
	if values.Get("cert") == "" && values.Get("key") == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(values.Get("cert"), values.Get("key"))
	if err != nil {
		return problem.New(problem.Invalid, "kafka: cert and key: %w", err)
	}
	o.TLS.Certificates = []tls.Certificate{pair}
	return nil
}
