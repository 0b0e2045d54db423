package traffic

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"strm/internal/api/apiv1"
	"strm/test/s3double"
)

// compareLedger says where `strm list batches` and the bucket differ: every
// batch done, every object of it in the bucket with the size and checksum it
// tells, no object in the bucket that no batch knows, and as many events.
func compareLedger(name string, batches []apiv1.Batch, objects []*s3double.Object, events int64) error {
	stored := make(map[string]*s3double.Object, len(objects))
	for _, o := range objects {
		if !strings.HasPrefix(path.Base(o.Key), ".strm_test_") {
			stored[o.Key] = o
		}
	}
	var errs []error
	differ := func(format string, args ...any) {
		if len(errs) < MaxProblems {
			errs = append(errs, fmt.Errorf(name+": "+format, args...))
		}
	}
	var counted int64
	told := map[string]bool{}
	for _, b := range batches {
		if b.State != "done" {
			differ("batch %s is %s after everything was flushed", b.ID, b.State)
		}
		for _, o := range b.Objects {
			counted += o.Events
			if told[o.Key] {
				differ("batch %s: key %s is in the ledger twice", b.ID, o.Key)
			}
			told[o.Key] = true
			s := stored[o.Key]
			switch {
			case s == nil:
				differ("batch %s: object %s is not in the bucket", b.ID, o.Key)
			case int64(len(s.Body)) != o.Bytes:
				differ("batch %s: object %s has %d bytes in the bucket and %d in the ledger", b.ID, o.Key, len(s.Body), o.Bytes)
			case o.CRC32 != "" && o.CRC32 != s.CRC32Base64():
				differ("batch %s: object %s has CRC-32 %s in the bucket and %s in the ledger", b.ID, o.Key, s.CRC32Base64(), o.CRC32)
			}
		}
	}
	for key := range stored {
		if !told[key] {
			differ("object %s is in no batch", key)
		}
	}
	if counted != events {
		differ("the ledger counts %d events, the bucket holds %d", counted, events)
	}
	return errors.Join(errs...)
}
