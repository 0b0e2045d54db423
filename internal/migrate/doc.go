// Package migrate moves the state of a stopped single node to Kafka and
// PostgreSQL: the rows of the catalog as they are, events into topics, names of
// appends into the place where nodes settle them.
//
// Offsets stay what they were: a topic's offsets begin at 0, and the stream's base
// is the floor at the move, so an offset of the stream is the topic's plus the
// base. Positions, plans and unfinished batches hold unchanged.
//
// The order of things, and what stopping after each leaves:
//
//	note in the new catalog that a move begins   no node starts on it any more; the old one still does
//	copy the catalog's rows                      the same; the next run copies them again
//	make topics, append events to them           the same; the next run goes on at the topics' ends
//	copy names                                   the same; the next run copies them again
//	read all back and compare                    the same
//	mark the old directory as moved              neither starts; the next run completes
//	note in the new catalog that it is complete  the new one starts
//
// A run after the old node has worked again in between is no error: rows and
// names are copied anew, topics grow on, or begin anew where retention has passed
// what they hold.
package migrate
