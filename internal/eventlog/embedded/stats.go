package embedded

// Stats is a look at the whole log. The counters count from Open.
type Stats struct {
	Streams    int
	Packed     int64  // bytes of gzip members kept, all streams
	Disk       int64  // bytes of all files of the log
	Free       int64  // bytes free on the disk, at most a second old; -1 if unknown
	Appends    uint64 // entries stored
	Duplicates uint64 // entries whose key or mark was seen before
	Repeated   uint64 // events left out because of their id
	IDs        int64  // event ids known, of the streams that got some since Open
	IDTables   int64  // bytes of memory in which they are found
	Refused    uint64 // entries refused for want of room
	Commits    uint64 // atomic batches; Appends over Commits is the size of groups
}

// Stats returns a look at the log, or the zero value once it is closed.
func (l *Log) Stats() Stats {
	if err := l.enter(); err != nil {
		return Stats{}
	}
	defer l.leave()
	l.mu.RLock()
	streams := len(l.streams)
	var ids, tables int64
	for _, s := range l.streams {
		if set := s.ids.set.Load(); set != nil {
			n, size := set.size()
			ids += n
			tables += size
		}
	}
	l.mu.RUnlock()
	free, err := l.freeBytes()
	if err != nil {
		free = -1
	}
	return Stats{
		Streams:    streams,
		Packed:     l.packed.Load(),
		Disk:       int64(l.db.Metrics().DiskSpaceUsage()),
		Free:       free,
		Appends:    l.appends.Load(),
		Duplicates: l.duplicates.Load(),
		Repeated:   l.repeated.Load(),
		IDs:        ids,
		IDTables:   tables,
		Refused:    l.refusals.Load(),
		Commits:    l.commits.Load(),
	}
}
