package s3

import "time"

// SetClock makes the role's session go by another clock.
func (b *Bucket) SetClock(now func() time.Time) { b.session.Now = now }
