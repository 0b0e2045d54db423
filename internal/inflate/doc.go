// Package inflate decodes a gzip member that is in memory as a whole into memory
// of the size that is known beforehand, which is the form of stored blocks. It
// does one thing, so it does that in less time than a decoder that must be able
// to stop at any byte: there is no window, and nothing is copied twice.
//
// A damaged member ends as an error, never as a panic, and never with a byte
// outside of the memory given.
package inflate
