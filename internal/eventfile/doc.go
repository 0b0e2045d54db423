// Package eventfile reads one file of events that somebody else wrote: it takes
// off what the file is wrapped in, compares its schema with the one that event
// files have, checks every row and hands on those that hold as JSON lines. It
// does no I/O but for the reader that it is given and temporary files.
//
// Nothing in the file is believed. Sizes and counts are compared with what is
// really there and with Limits before memory is taken for them, so a file of any
// size and content is read in bounded memory and ends in rows, or in a FileError.
// For that reason the package reads Parquet's pages itself: it needs seven
// columns of known types, and no step in which a library trusts a length.
//
// A row becomes one object whose members are, in this order: environmentId,
// trafficTypeId, eventTypeId and key (strings), timestamp (milliseconds), value
// (number or null) and properties (object or null). Members of properties are in the file's
// order; of those with the same name the last is kept, at its place. A property whose value
// is null stays null.
//
// What no code of the status reports is about, and yet cannot be stored, is a field without a
// value that could be stored, and counted under REQUIRED_FIELDS_NULL with a detail that says
// which: text that is not UTF-8 (two keys must not become one by replacing), a value that is
// NaN or infinite (JSON has neither, null would be another value), a property without a name,
// and a row longer than Limits.Row.
package eventfile
