package catalog

// Queries for the test of their plans.
var (
	SQLUnfinished = sqlUnfinished
	SQLStored     = sqlStored
	SQLBatch      = sqlBatch
	SQLAfter      = sqlAfter
	SQLTotals     = sqlTotals
	SQLHeldNext   = sqlHeldNext
	SQLHeldRanges = sqlHeldRanges

	SQLWaitingFor = sqlWaitingFor
	SQLReplay     = sqlReplay
)

// Text is the SQL of a page of batches.
func (q BatchQuery) Text(exporterID string) (string, []any) { return q.text(exporterID) }
