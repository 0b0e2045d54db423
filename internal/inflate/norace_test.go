//go:build !race

package inflate_test

const every = 1
