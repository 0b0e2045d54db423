// Package snsdouble stands in for Amazon SNS before a receiver that checks
// signatures as it ships: the receiver's rules of hosts, its TLS and its own
// trust stay as they are. A CA of our own vouches for the host of SNS, a proxy
// leads that host's name to us and refuses every other, and messages are signed
// with a key whose certificate is served where SNS serves it. The process under
// test gets Env and nothing else.
//
// What it signs is written down here a second time, from SNS's documentation and
// not from the receiver's code. It is a double all the same: the names and the
// chain of real certificates, and SNS's later phases of retrying, it does not prove.
package snsdouble
