// Package upload carries newline-delimited JSON to the intake of a stream so
// that every line is counted once, also when answers are lost, when the
// connection breaks and when the process dies and is started again.
//
// The argument: a file is cut into chunks by a fixed rule, so a chunk is a
// function of the file and of where it begins; each chunk carries the key
// "<session>-<offset>", under which the server counts it once; the session's
// name is on disk before the first chunk leaves. Whatever was not known to be
// accepted is therefore sent again under the same key.
//
//	crash before the session is on disk   nothing was sent
//	crash while chunks are under way      the next run begins at the low-water
//	                                      mark; what had arrived counts once
//	crash before the mark is on disk      the mark is older than the truth; the
//	                                      same, with more to send again
//	crash before the result is told       nothing is left to send; it is told then
//	crash while states are removed        see group.go: all is forgotten, or none
//
// A server forgets keys after a time, and what it may have forgotten is never
// sent again (age.go).
package upload
