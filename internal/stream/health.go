package stream

import "time"

// HealthStatus is what the last trial of a sink said.
type HealthStatus string

// The states of health.
const (
	HealthUnknown HealthStatus = "" // not tried since it was last changed
	HealthOK      HealthStatus = "ok"
	HealthFailing HealthStatus = "failing"
)

// HealthStep names the step at which a trial of a sink failed.
type HealthStep string

// The steps, in the order in which a write takes them.
const (
	StepCredentials HealthStep = "credentials" // they open, exist, and are accepted
	StepConnection  HealthStep = "connection"  // the store, or STS, can be reached and answers
	StepRole        HealthStep = "role"        // the sink's role can be assumed
	StepBucket      HealthStep = "bucket"      // it is there
	StepRegion      HealthStep = "region"      // it is found, and is the one that the sink says
	StepPut         HealthStep = "put"         // the validation object is stored
)

// Health is what is remembered of the last trial of a sink, or delivery to it.
type Health struct {
	Status HealthStatus
	Step   HealthStep // of a failure
	Reason string     // of a failure, for people; never a secret
	At     time.Time  // of the trial
}

// Same reports whether both say the same, whenever that was.
func (h Health) Same(o Health) bool {
	return h.Status == o.Status && h.Step == o.Step && h.Reason == o.Reason
}
