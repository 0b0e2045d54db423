// Package importer is the flow that brings event files from buckets into
// streams: it learns of files, reads each version of each once, appends the
// rows that hold and reports on all of them. docs/design/0011-imports.md.
//
// # A file is a plan
//
//	           Noticed             BeginImport           FinishImport
//	a notice -----------> noticed ------------> running -------------> done, with its entries
//	                         ^  |                ^  |
//	                         +--+                +--+   refused, full, no answer: again, later
//
// Before the first row is appended the ledger has what the outcome depends on: the
// environments and the partition. Rows go to the log in chunks; each carries the
// mark of its import and how many rows of the file have been read with it, stored
// in one atomic write. So the log says how much of a file is in, whatever became of
// us: a file is read again from its first row, because its rows must be counted,
// and appended from the mark on.
//
// What is true if the process dies:
//
//	before Noticed          nobody heard of the file; the notice comes again, or a listing finds it
//	after Noticed           the import is found and run
//	after BeginImport       likewise, with the settings of before
//	after an append         the mark says how far the file is in
//	after FinishImport      it is done; the mark is left behind, a record of some 60 bytes
//
// Where several processes share ledger and log, another one takes over from one that is
// not alive, which may only have stood still and go on at any step. What it says to the ledger then is
// refused by the number of its attempt, what it appends by the mark; so marks stay there for good,
// and what the first attempt has fixed holds for all.
//
// A version that cannot be had any more when its import must be begun again, but of
// which rows are in already, ends as INVALID_SCHEMA with how many rows had been read:
// what became of each of them is not known.
//
// # Reports
//
// A report is a plan too: which entries, which key. It is put as batches are:
// MaybeStored is noted before the PUT, and a key that is taken then is ours. A key
// that is taken otherwise is somebody's, and the next millisecond is tried.
//
// # Order
//
// Rows of one file go to one partition in order. Files run beside each other, one
// per CPU, begun in the order in which they were noticed; the order of rows of different
// files is not promised, not in one partition either.
package importer
