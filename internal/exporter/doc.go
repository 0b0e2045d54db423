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
// # Several nodes
//
// Nodes that share a ledger may believe at the same time that they carry an exporter, or
// work on a batch: a lease is over, a process was stopped and goes on, an answer was lost. So
// Members only says who should. A round begins with Claim, which raises the batch's claim
// number and returns it as it is then; what is written with an older number is refused with a
// *stream.ClaimLostError, and who gets that forgets the batch. What a node can do that wakes
// up after another has taken over (nodes_test.go stops one at every step but the last):
//
//	its Plan          is refused, as another has planned; or nobody has, and it is a plan like any
//	its Claim         is refused while the other works; or it takes the batch from there on, as the ledger has it
//	its Save          is refused, so it can take back neither MaybeStored nor anything the other has found out.
//	                  If it got in before the other's claim, the other saw it
//	its PUT           was noted before the claim that superseded it, so the other counts on it: same key, same
//	                  bytes, and whoever comes second is told "exists", which is success to the other and
//	                  of no consequence to the sleeper. What it says of it is refused
//	its Rekey         is refused. The other moves a batch only if no PUT was ever noted
//	its Release       gives up what it has by name, never by another's
//
// One thing remains, as for any request that is late on its way: a PUT that arrives after its
// object was delivered, and taken away by a consumer, puts it back. A process that finds
// that it stood still between the note and the PUT, or that its lease is over, does not begin it (errAsleep).
//
// # Shape
//
// Decisions are pure functions of state and time (due.go, plan.go, settle.go);
// effects are thin (attempt.go, put.go, meet.go, content.go, runner.go). What belongs to
// several nodes is in members.go, assist.go, refresh.go, remote.go, split.go. A Runner
// holds one lane per exporter. A lane without waiting events has no timer and
// costs nothing.
package exporter
