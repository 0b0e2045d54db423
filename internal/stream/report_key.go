package stream

// reportLayout is how a status report is named by its time, in UTC.
const reportLayout = "2006-01-02/15-04-05.000"

// Key returns the key of the report in the bucket.
func (r *Report) Key() string {
	return JoinPrefix(r.StatusPrefix, r.At.UTC().Format(reportLayout)+".UTC_report.status")
}
