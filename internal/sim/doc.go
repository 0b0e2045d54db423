// Package sim runs a whole installation of strm through hours of trouble in
// simulated time and then counts every event. It holds tests only.
//
// One run is one seed. The seed decides on streams, exporters, and what
// happens to them: see script. What runs is the real thing: the embedded log on
// a file system in memory that loses what was not synced, the SQLite catalog in
// a file, the exporters, retention and control. Only the bucket is a double.
//
// Every run lives in a testing/synctest bubble: hours pass in seconds, and a
// goroutine left behind fails the run. The engines work inside the bubble as
// they are; two things must be kept in mind by whoever changes this package:
//
//   - A goroutine that waits for a mutex holds simulated time still. So nothing
//     here sleeps while it holds a lock, or inside a call that may hold one of
//     the engines' locks (a sync of a file, a statement). Slowness is put before
//     such calls instead, and crashes strike at a counted effect (a sync, a
//     ledger write, a put), not at a time, to hit the middle of things.
//   - SQLite does its real input and output meanwhile, which takes real time but
//     no simulated time. A crash of the machine takes unsynced data from the log
//     only: the catalog's file is real, and what a dead process would still
//     write to it is refused at the gate.
//
// The seed fixes every choice, but not how the scheduler orders what happens at
// one instant, so a failure that needs a certain order may take several runs of
// its seed to come back.
//
//	STRM_SIM_SEED=n   run this seed only
//	STRM_SIM_RUNS=n   run so many seeds, from 1
package sim
