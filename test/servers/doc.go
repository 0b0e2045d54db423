// Package servers starts real servers of other people's making, thrown away
// afterwards, for tests and for programs that prove something. It installs
// nothing: test/integration/install-scale.sh does.
package servers
