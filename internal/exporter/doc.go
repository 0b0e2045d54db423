// Package exporter carries streams to sinks, exactly once, with nothing but
// the right to create objects.
//
// # A batch is a plan
//
//	           Plan                 Save                   Save
//	events ------------> planned ----------> attempted ----------> done
//	                                ^   |
//	                                |   | refused, unknown, blocked: again, later
//	                                +---+
//
// The planner takes [Next, end) per partition and stores the plan together with
// the advanced position in one ledger transaction. Everything the objects
// depend on is in the plan, so whoever runs it, however often, makes the same
// objects under the same keys.
//
// Before each PUT the ledger notes durably that the object may now exist
// (Object.MaybeStored). Each PUT asks the store to refuse if the key is taken.
// So a refusal after an attempt of unknown outcome is our own write whose
// answer was lost; a refusal of the very first attempt is somebody else's
// object, and stops the exporter loudly.
//
// Where a key names a moment and nothing of ours (layout.Layout.ByMoment),
// others may have it by right. There the object itself is looked at: ours is
// success, another's moves the batch to a later moment, in the ledger first,
// but only while nothing of it may be in the bucket (meet.go, Runner.move).
//
// What is true if the process dies:
//
//	before Plan                nothing happened; the events still wait
//	after Plan                 the plan is found at start and run
//	after Save(MaybeStored)    the object may or may not exist; PUT again: 200 or "exists", both are success
//	after the PUT              likewise
//	after Save(done)           the batch is finished; retention may pass it
//
// # Shape
//
// Decisions are pure functions of state and time (due.go, plan.go, settle.go);
// effects are thin (attempt.go, put.go, meet.go, content.go, runner.go). A Runner
// holds one lane per exporter. A lane without waiting events has no timer and
// costs nothing.
package exporter
