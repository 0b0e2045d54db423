package sns

import "time"

// SetClock makes the verifier go by another clock.
func (v *Verifier) SetClock(now func() time.Time) { v.now = now }

// MaxEntries is how many certificates are known at most.
const MaxEntries = maxEntries

// Known returns how many are.
func (v *Verifier) Known() int {
	v.certificates.mu.Lock()
	defer v.certificates.mu.Unlock()
	return len(v.certificates.entries)
}
