//go:build race

package inflate_test

// every is which pairs of a text and a packer are tried, and which damages: under the race
// detector, which makes each some ten times as slow, one of seven.
const every = 7
