// Package stream is the vocabulary of strm: the nouns that every other package
// speaks (event, stream, source, sink, batch exporter, batch, object) and the
// arithmetic on them. It imports only the standard library and problem, starts
// nothing and stores nothing.
package stream
