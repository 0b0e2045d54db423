//go:build race

package exporter_test

// every is which calls of a step the tables are about: under the race detector, which looks
// for other faults than the tables do, one of three.
const every = 3
