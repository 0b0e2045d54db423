// Package control holds the rules of what may be done to streams, sources,
// sinks, batch exporters and batch importers: names and defaults, what refuses what, and in
// which order the catalog, the log and the running exporters learn of a change.
//
// Most operations touch more than one of the three, and no transaction spans
// them, so each says beside its code what is true if it stops between two
// steps. The catalog is the truth: what is in it exists, what is not does not;
// the log and the runner follow it.
package control
