//go:build race

package formattest

// every is which outputs are tried: under the race detector, which makes encoding some ten
// times as slow and looks for other faults, one of three.
const every = 3
