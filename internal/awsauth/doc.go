// Package awsauth is as whom strm asks services of AWS, and through which HTTP
// client: a key pair or the machine's own credentials, or a role that they
// assume. It knows no service but STS.
package awsauth
