// Package eventlogtest is the conformance suite of eventlog.Log: what every
// implementation owes its callers, as tests.
package eventlogtest

import (
	"strings"
	"testing"

	"strm/internal/eventlog"
)

// Store is what a log keeps its events in, independent of the process.
type Store interface {
	// Open opens a log on what the store holds. At most one log is open at a time.
	Open() (eventlog.Log, error)
	// Crash cuts the power at this instant, even while calls are under way: the
	// store forgets what was not durable, or any part of it. The open log is
	// lost: its calls answer anything, reach the store no more, and fail soon.
	Crash()
	// Full makes appends of the open log fail for want of room, until it is
	// called with false.
	Full(full bool)
}

// Harness makes empty stores. Stores clean up after themselves with t.Cleanup.
type Harness struct {
	New func(t *testing.T) Store

	// NoNames leaves out what needs keys, ids, marks or stamps.
	NoNames bool
	// TimesGo: the received times of what was trimmed are forgotten with it.
	TimesGo bool
	// NeverFull leaves out what needs Store.Full.
	NeverFull bool
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Store)
	}{
		{"DurableOnNil", durableOnNil},
		{"RangeReadsBack", rangeReadsBack},
		{"BlocksAreGzipMembers", blocksAreGzipMembers},
		{"LargeEntry", largeEntry},
		{"ReceivedTimes", receivedTimes},
		{"ReceivedNow", receivedNow},
		{"Streams", streams},
		{"Keys", keys},
		{"KeysConcurrently", keysConcurrently},
		{"KeysAcrossCrash", keysAcrossCrash},
		{"IDs", ids},
		{"IDsWhenFull", idsWhenFull},
		{"IDsConcurrently", idsConcurrently},
		{"IDsAcrossCrash", idsAcrossCrash},
		{"Marks", marks},
		{"MarksMoved", marksMoved},
		{"MarksWhenFull", marksWhenFull},
		{"MarksConcurrently", marksConcurrently},
		{"MarksAcrossCrash", marksAcrossCrash},
		{"StampedConcurrently", stampedConcurrently},
		{"Trim", trim},
		{"TrimWhileReading", trimWhileReading},
		{"Errors", errorIdentities},
		{"BadEntries", badEntries},
		{"Full", full},
		{"Cancelled", cancelled},
		{"StopReading", stopReading},
		{"Subscribe", subscribe},
		{"Concurrent", concurrent},
		{"CrashWhileAppending", crashWhileAppending},
		{"NothingVisibleIsLost", nothingVisibleIsLost},
	} {
		if (!h.NoNames || !needNames[c.name]) && (!h.NeverFull || !strings.HasSuffix(c.name, "Full")) {
			t.Run(c.name, func(t *testing.T) { c.test(t, h.New(t)) })
		}
	}
	t.Run("TrimAll", func(t *testing.T) { trimAll(t, h.New(t), h.TimesGo) })
	if !h.NoNames {
		t.Run("StampedEntries", func(t *testing.T) { stampedEntries(t, h.New(t), h.TimesGo) })
		t.Run("Model", func(t *testing.T) { model(t, h) })
	}
}

// needNames are the cases that append with keys, ids, marks or stamps.
var needNames = map[string]bool{
	"Streams": true, "ReceivedNow": true, "Keys": true, "KeysConcurrently": true, "KeysAcrossCrash": true,
	"IDs": true, "IDsWhenFull": true, "IDsConcurrently": true, "IDsAcrossCrash": true,
	"Marks": true, "MarksMoved": true, "MarksWhenFull": true, "MarksConcurrently": true, "MarksAcrossCrash": true,
	"StampedEntries": true, "StampedConcurrently": true,
	"Errors": true, "BadEntries": true, "Full": true, "Cancelled": true, "Subscribe": true, "CrashWhileAppending": true,
}
