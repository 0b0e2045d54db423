package snsdouble

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// SigningName is what SNS's signing certificates are for.
const SigningName = "sns.amazonaws.com"

// authority is a CA and what it has issued.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool

	host     tls.Certificate // of SNS
	signing  *rsa.PrivateKey
	rogue    *rsa.PrivateKey
	pems     map[Certificate][]byte
	endpoint [2]string // files of a receiver's certificate and key
	caFile   string
}

// Certificate is a signing certificate that the double serves.
type Certificate string

// The certificates. All but Good are such as a receiver must refuse.
const (
	Good       Certificate = "a1"
	Expired    Certificate = "a2" // as Good, but ended an hour ago
	Future     Certificate = "a3" // as Good, but begins in an hour
	Rogue      Certificate = "a4" // of another key, signed by itself, for the same name
	OtherName  Certificate = "a5" // of the other key, from the CA, for somebody else
	Elliptic   Certificate = "a6" // no RSA key
	NoPEM      Certificate = "a7" // no certificate at all
	Missing    Certificate = "a8" // status 404
	Redirected Certificate = "a9" // a redirect to Good
	Huge       Certificate = "aa" // as Good, with 10 MB around it
	Hanging    Certificate = "ab" // no answer before Release
)

func newAuthority(dir, host string) (*authority, error) {
	a := &authority{pool: x509.NewCertPool(), pems: map[Certificate][]byte{}, caFile: filepath.Join(dir, "ca.pem")}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	root := &x509.Certificate{Subject: pkix.Name{CommonName: "test CA of snsdouble"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := issue(root, root, &a.key.PublicKey, a.key, 0, 24*time.Hour)
	if err != nil {
		return nil, err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.cert)
	if err := os.WriteFile(a.caFile, certPEM(der), 0o600); err != nil {
		return nil, err
	}
	if a.host, _, _, err = a.server(host); err != nil {
		return nil, err
	}
	if err := a.endpointFiles(dir); err != nil {
		return nil, err
	}
	return a, a.signers()
}

// server issues a TLS certificate.
func (a *authority) server(names ...string) (c tls.Certificate, certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, nil, nil, err
	}
	der, err := issue(&x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, &k.PublicKey, a.key, 0, 24*time.Hour)
	if err != nil {
		return c, nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return c, nil, nil, err
	}
	certificate, key = certPEM(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
	c, err = tls.X509KeyPair(certificate, key)
	return c, certificate, key, err
}

func (a *authority) endpointFiles(dir string) error {
	_, certificate, key, err := a.server("localhost")
	if err != nil {
		return err
	}
	a.endpoint = [2]string{filepath.Join(dir, "endpoint.pem"), filepath.Join(dir, "endpoint.key")}
	for i, content := range [][]byte{certificate, key} {
		if err := os.WriteFile(a.endpoint[i], content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// signers makes the keys that sign messages, and their certificates.
func (a *authority) signers() error {
	var err error
	if a.signing, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	if a.rogue, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	self := &x509.Certificate{Subject: pkix.Name{CommonName: SigningName}, DNSNames: []string{SigningName}}
	for name, c := range map[Certificate]struct {
		subject   string
		key       crypto.PublicKey
		from, end time.Duration // from now
	}{
		Good:      {SigningName, &a.signing.PublicKey, -time.Hour, 24 * time.Hour},
		Expired:   {SigningName, &a.signing.PublicKey, -2 * time.Hour, -time.Hour},
		Future:    {SigningName, &a.signing.PublicKey, time.Hour, 2 * time.Hour},
		OtherName: {"mail.example.com", &a.rogue.PublicKey, -time.Hour, 24 * time.Hour},
		Elliptic:  {SigningName, &ec.PublicKey, -time.Hour, 24 * time.Hour},
	} {
		template := &x509.Certificate{Subject: pkix.Name{CommonName: c.subject}, DNSNames: []string{c.subject}}
		der, err := issue(template, a.cert, c.key, a.key, c.from, c.end)
		if err != nil {
			return err
		}
		a.pems[name] = certPEM(der)
	}
	der, err := issue(self, self, &a.rogue.PublicKey, a.rogue, -time.Hour, 24*time.Hour)
	if err != nil {
		return err
	}
	a.pems[Rogue] = certPEM(der)
	a.pems[NoPEM] = []byte("<html>no certificate</html>")
	a.pems[Huge] = append(a.pems[Good], make([]byte, 10<<20)...)
	return nil
}

// issue signs a certificate that is valid between two moments, counted from now.
func issue(template, parent *x509.Certificate, key, signer any, from, end time.Duration) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template.SerialNumber, template.NotBefore, template.NotAfter = serial, now.Add(from-time.Minute), now.Add(end)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, signer)
	if err != nil {
		return nil, fmt.Errorf("issue a certificate for %s: %w", template.Subject.CommonName, err)
	}
	return der, nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
