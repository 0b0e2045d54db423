//go:build race

package importer_test

// every is which calls of a step the tables let fail: under the race detector, which looks
// for other faults than the tables do, one of three.
const every = 3
