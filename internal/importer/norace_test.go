//go:build !race

package importer_test

const every = 1
