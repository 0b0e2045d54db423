package importer

// Members tells a Runner who else works with its ledger and its log. What it says is
// a hint, so that work is not done twice: safety rests on the ledger and the log. Its methods answer
// at once.
type Members interface {
	// Self is the id of this process in the ledger, another at each start.
	Self() string
	// Owns says whether a duty is for this process.
	Owns(duty string) bool
	// Watch returns a channel that is closed once Owns may answer otherwise.
	Watch() <-chan struct{}
}

// ReportsDuty is who plans and stores status reports. They are of several importers
// together, so they are one duty.
const ReportsDuty = "reports"

// Duty names the listings and the queue of an importer. Files are nobody's in particular: whoever has
// a hand free takes the next.
func Duty(importerID string) string { return "import/" + importerID }

// alone has nobody beside it.
type alone struct{}

func (alone) Self() string           { return "" }
func (alone) Owns(string) bool       { return true }
func (alone) Watch() <-chan struct{} { return nil }
