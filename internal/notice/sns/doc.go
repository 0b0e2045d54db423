// Package sns finds out whether a message posted to us comes from an SNS topic,
// and confirms that topic's subscription.
//
// Whoever knows the address of an endpoint can post anything, so nothing in a
// message is believed, and nobody is asked for its sake, before it has passed
// the checks that need no network. The only hosts ever asked are those of SNS in
// the region of the configured topic: for the certificate, once, and to confirm,
// if the signature holds. They are reached directly or through the proxy that the
// environment names (HTTPS_PROXY, NO_PROXY); through a proxy the connection is a
// tunnel, so the host's certificate is checked by us in either case, against the
// system's roots (or SSL_CERT_FILE).
//
// SNS's public description says that messages are signed by a certificate from
// that host. Whether the file brings its chain along is not documented, so the
// chain is not checked: what vouches for the certificate is TLS to the host. That
// it is not self-signed and bears a name of SNS is checked.
package sns
