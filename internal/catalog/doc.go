// Package catalog keeps the configuration (streams, sources, sinks, exporters,
// importers) and the ledger (batches and their objects; imported files, what
// became of their rows, and reports about them) in one SQL database.
//
// There is one SQL text for all databases; what differs between them is a
// Dialect, and each dialect passes catalogtest. The ledger is the commit point
// of delivery, so its writers check in the same transaction what must always
// hold:
//
//   - the export ranges of an exporter, planned and done, tile each partition
//     from Start to Next: no gap, no overlap;
//   - a key in a bucket belongs to one plan;
//   - a batch that is done or abandoned never changes again;
//   - a version of a file has one import per importer, and its entries are in
//     one report at most.
//
// Every method that writes is one transaction. When it returns nil the change
// is durable; when it returns an error, nothing has changed, with one exception:
// a commit that the database does not confirm (a dying disk, as a rule) leaves
// the outcome open and has kind Unavailable, whatever its cause and whether or
// not the context has ended meanwhile. A database that cannot be reached has the
// same kind, so after Unavailable read again before acting on it. An error of a
// context always means that nothing has changed.
//
// Several processes may share a database that is made for it, and need not have
// the same version: migrations only add, with defaults, so that a program of
// the version before reads and writes on; one that cannot is refused, by the
// floor that a migration puts into meta (schema_floor).
//
// All methods are safe for concurrent use.
package catalog
