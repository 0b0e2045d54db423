package traffic

// Batch is one request body: events [First, First+Count) of one sender.
type Batch struct {
	First int64
	Count int64
	Acked bool // false: given up, the outcome was never learnt

	// Plain: it was sent without a key, so that every try whose outcome is not
	// known may have stored it, or a part of it, once more.
	Plain   bool
	Unknown int // such tries, beside the one that was acknowledged or the last
}

// least and most say how often each event of the batch must be in the bucket.
func (b Batch) least() uint8 {
	if b.Acked {
		return 1
	}
	return 0
}

func (b Batch) most() uint8 { return uint8(min(1+b.Unknown, 200)) }

// Log is what one sender sent to one stream, in order of number and without
// gaps. Only its sender writes it, and the judge reads it afterwards.
type Log struct {
	Sender  int
	Stream  string
	Batches []Batch
}

// Total returns how many events were made.
func (l *Log) Total() int64 {
	if len(l.Batches) == 0 {
		return 0
	}
	last := l.Batches[len(l.Batches)-1]
	return last.First + last.Count
}

// Acked returns how many events were acknowledged.
func (l *Log) Acked() int64 {
	var n int64
	for _, b := range l.Batches {
		if b.Acked {
			n += b.Count
		}
	}
	return n
}

// Stream is a stream of a run, and the number of senders that feed it.
type Stream struct {
	Name       string
	Partitions int
	Meta       bool // strm adds strmMeta
	Segment    bool // fed by Segment's tracking API
	Senders    int
	Plain      int // further senders, without idempotency keys
}
