package embedded

// Waiting counts the entries queued for merging in partition 0 of a stream.
func (l *Log) Waiting(streamID string) int {
	s, err := l.stream(streamID)
	if err != nil {
		return 0
	}
	p := s.partitions[0]
	p.small.mu.Lock()
	defer p.small.mu.Unlock()
	return len(p.small.queue)
}
