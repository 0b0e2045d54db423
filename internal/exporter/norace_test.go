//go:build !race

package exporter_test

const every = 1
