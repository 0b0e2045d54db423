//go:build !race

package formattest

const every = 1
