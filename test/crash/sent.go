package main

// sentBatch is one request body: events [first, first+count) of one sender.
type sentBatch struct {
	first int64
	count int64
	acked bool // false: given up, the outcome was never learnt
}

// sentLog is what one sender sent to one stream, in order of number and
// without gaps. Only its sender writes it, and the oracle reads it afterwards.
type sentLog struct {
	sender  int
	stream  string
	batches []sentBatch
}

// total returns how many events were made.
func (l *sentLog) total() int64 {
	if len(l.batches) == 0 {
		return 0
	}
	last := l.batches[len(l.batches)-1]
	return last.first + last.count
}

// acked returns how many events were acknowledged.
func (l *sentLog) acked() int64 {
	var n int64
	for _, b := range l.batches {
		if b.acked {
			n += b.count
		}
	}
	return n
}
