package importer

import (
	"context"
	"time"

	"strm/internal/notice"
	"strm/internal/stream"
)

// Ledger records files, what became of their rows, and reports: the part of
// the catalog that importing needs. Every method that changes something is one
// transaction, durable on nil. A failed one may have happened; each says what
// doing it again means.
//
// Several processes may share a ledger. Which of them works on a file or a report is in
// its row (Owner, a Members.Self); whoever has none may take it, and so may anybody whose
// predecessor is not alive. Each attempt has a number (Attempts), and what an earlier one than the
// newest says is refused: a process that was paused and goes on undoes nothing.
type Ledger interface {
	// Importers returns the importers that live; DeletedImporters those that are
	// deleted and have files that are not done.
	Importers(ctx context.Context) ([]stream.Importer, error)
	DeletedImporters(ctx context.Context) ([]stream.Importer, error)
	// ImporterByToken returns the live importer of a notification endpoint. Kind NotFound.
	ImporterByToken(ctx context.Context, token string) (stream.Importer, error)

	// Noticed records files of one importer that are not known yet, in one
	// transaction, and the time of the notice (not for via "list"). It returns how many
	// were new. Repeating it adds nothing. A file is known by its version (notice.File.Version);
	// where it or the import has no version id, also by key, ETag and time to the second.
	// Kind NotFound if the importer is deleted.
	Noticed(ctx context.Context, importerID, via string, at time.Time, files []notice.File) (int, error)
	// UnknownFiles returns those of the files that an importer has no import of:
	// none of its imports has the same key, ETag and time (to the second), nor the same version.
	UnknownFiles(ctx context.Context, importerID string, files []notice.File) ([]notice.File, error)
	// SetSubscription stores what is known of the subscription; SetImporterProblem what
	// keeps an importer from noticing files ("" when nothing does); SetListed the end of a listing.
	// Doing any of them again is harmless. Kind NotFound if the importer is deleted.
	SetSubscription(ctx context.Context, importerID string, s stream.Subscription) error
	// SetTested stores when which bucket said that it is configured to notify, unless later news is known.
	SetTested(ctx context.Context, importerID string, at time.Time, bucket string) error
	SetImporterProblem(ctx context.Context, importerID, problem string) error
	SetListed(ctx context.Context, importerID string, at time.Time) error

	// DueImports returns imports that are not done and whose time has come, of
	// importers that are not paused, oldest first, but for those that a live process other than owner works on; and when the next is due after now (zero: none waits).
	// Imports that are being worked on are among them: limit must leave room for those.
	// A deleted importer counts as not paused.
	DueImports(ctx context.Context, owner string, now time.Time, limit int) (due []stream.Import, next time.Time, err error)
	// BeginImport stores what SaveImport does if i is how the import stands but for this
	// attempt: if the ledger counts one attempt less than i. Otherwise ok is false and nothing
	// changes: i was made from a copy that is out of date, or a live process other than i.Owner is at work.
	// The import is i.Owner's from then on. Kind Conflict if the import is done or abandoned.
	// If the answer is lost, SaveImport with the same number of attempts settles it.
	BeginImport(ctx context.Context, i stream.Import) (ok bool, err error)
	// SaveImport stores State, Environments, Partition, Attempts, Problem, NextTryAt and StartedAt, and
	// gives up what i.Owner had begun. Doing it again is harmless. Kind Conflict, and no change, if the import is
	// done or abandoned, or somebody has overtaken i.
	SaveImport(ctx context.Context, i stream.Import) error
	// FinishImport makes the import done and stores its counts and its entries, whose numbers
	// go on from those of other imports of the same place, key and millisecond.
	// Finishing what is done or abandoned changes nothing. No entries: nothing will be reported.
	// Kind Conflict, and no change, if somebody has overtaken i.
	FinishImport(ctx context.Context, i stream.Import, entries []stream.StatusEntry) error

	// PlanReport plans a report for one place and status prefix that has
	// unreported entries older than at most the importers' ReportEvery, oldest first, at most
	// maxFiles files; ok is false if there is none. at is its time; a key that is taken by another report of
	// the same place and prefix gets the next free millisecond. While a report of this place and prefix by
	// the credentials of a sink is open, no other is planned by the same ones, so look again
	// when a report is done. After an error the plan may be among OpenReports, and its entries are in no other.
	PlanReport(ctx context.Context, at time.Time, maxFiles int) (r stream.Report, ok bool, err error)
	// OpenReports returns reports that are not done; NextReport when the next may be planned (zero: nothing waits).
	OpenReports(ctx context.Context) ([]stream.Report, error)
	NextReport(ctx context.Context) (time.Time, error)
	// ReportEntries returns a report's entries with their imports, by key, ObjectAt, import and entry.
	ReportEntries(ctx context.Context, reportID int64) ([]stream.ReportEntry, error)
	// BeginReport counts an attempt if r is how the report stands but for this one, makes it
	// r.Owner's and returns it as earlier attempts have left it. Otherwise ok is false, as for BeginImport.
	BeginReport(ctx context.Context, r stream.Report) (begun stream.Report, ok bool, err error)
	// SaveReport stores At, State, MaybeStored, Problem, NextTryAt and DoneAt of the newest attempt, r.Attempts;
	// it is over with a time to try again, or done. Saving it done
	// again changes nothing. Kind Conflict, and no change, if it is done or abandoned and not to
	// be done, if somebody has overtaken r, or if another report of the place and prefix has that millisecond: try the next.
	SaveReport(ctx context.Context, r stream.Report) error
}
