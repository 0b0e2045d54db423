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
	SQLSpare      = sqlSpare
	SQLRelease    = sqlRelease
	SQLClaimed    = sqlClaimed

	SQLTakenEntries    = sqlTakenEntries
	SQLKnownVersion    = sqlKnownVersion
	SQLKnownTime       = sqlKnownTime
	SQLKnown           = sqlKnown
	SQLWorking         = sqlWorking
	SQLDueNew          = sqlDueNew
	SQLDueAgain        = sqlDueAgain
	SQLDueLater        = sqlDueLater
	SQLDeletedImporter = selectImporter + whereDeletedImporter
	SQLImporterWaits   = sqlImporterWaits
	SQLImporterTotals  = sqlImporterTotals
	SQLImportsOf       = sqlImportsOf
	SQLGiveUpFiles     = sqlGiveUpFiles
	SQLGiveUpEntries   = sqlGiveUpEntries
	SQLImportPage      = sqlImportPage
	SQLImportKeys      = sqlImportKeys
	SQLImportKeysIn    = sqlImportKeysIn
	SQLEntries         = sqlEntries
	SQLReporting       = sqlReporting
	SQLUnreported      = sqlUnreported
	SQLReportEntries   = sqlReportEntries
	SQLOpenReports     = sqlOpenReports
	SQLReports         = sqlReports
	SQLReportsOf       = sqlReportsOf
)

// Text is the SQL of a page of batches.
func (q BatchQuery) Text(exporterID string) (string, []any) { return q.text(exporterID) }

// Tables for the test that none is forgotten when a catalog moves.
var (
	CopiedTables = copiedTables
	NameTables   = nameTables
)
