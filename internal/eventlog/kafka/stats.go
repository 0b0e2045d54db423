package kafka

// Stats is a look at what this process does with the cluster. The counters count from Open.
type Stats struct {
	Streams  int
	Appends  int64 // entries stored
	Events   int64 // in them
	Refused  int64 // entries refused with ErrFull
	Buffered int64 // bytes on their way to brokers now, with what they take in memory
}

// Stats returns a look at the log.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	streams := len(l.streams)
	l.mu.RUnlock()
	return Stats{Streams: streams, Appends: l.appends.Load(), Events: l.events.Load(), Refused: l.refused.Load(), Buffered: l.buffered.Load()}
}
