// Package airbyte is an Airbyte destination: one run of spec, check or write
// over a pair of byte streams. It needs no server and keeps nothing between
// runs; what it must know later is marked on the objects.
//
// Write in one picture. One goroutine, the loop, owns all state:
//
//	lines ──> loop ──> spool: a chunk of records per stream, in memory or on disk
//	            │        closed when large, when a state waits for it, or at the end
//	            ├─jobs──> workers: encode the chunk, create the object
//	            <─done──
//	            └──> states whose records are all in objects go out, in order
//
// So a state that came back says: every record before it is in the bucket. If
// the process dies anywhere, objects are whole (a PUT is), records may be there
// twice (the source sends again what was not acknowledged), none is missing.
package airbyte
