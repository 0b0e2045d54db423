package traffic

import (
	"strings"
	"testing"

	"strm/internal/api/apiv1"
	"strm/test/s3double"
)

func TestCompareLedger(t *testing.T) {
	a, b := object("p/a", 0, 1), object("p/b", 2)
	told := func(o *s3double.Object, events int64) apiv1.Object {
		return apiv1.Object{Key: o.Key, Events: events, Bytes: int64(len(o.Body)), CRC32: o.CRC32Base64(), Stored: true}
	}
	probe := &s3double.Object{Key: "p/.strm_test_x.jsonl"}
	good := apiv1.Batch{ID: "1", State: "done", Objects: []apiv1.Object{told(a, 2)}}
	second := apiv1.Batch{ID: "2", State: "done", Objects: []apiv1.Object{told(b, 1)}}
	short, wrong, undone := told(b, 1), told(b, 1), second
	short.Bytes--
	wrong.CRC32 = a.CRC32Base64()
	undone.State = "attempted"
	for name, tc := range map[string]struct {
		batches []apiv1.Batch
		objects []*s3double.Object
		events  int64
		problem string
	}{
		"good":       {[]apiv1.Batch{good, second}, []*s3double.Object{a, b, probe}, 3, ""},
		"not there":  {[]apiv1.Batch{good, second}, []*s3double.Object{a}, 3, "p/b is not in the bucket"},
		"unknown":    {[]apiv1.Batch{good}, []*s3double.Object{a, b}, 2, "p/b is in no batch"},
		"size":       {[]apiv1.Batch{good, {ID: "2", State: "done", Objects: []apiv1.Object{short}}}, []*s3double.Object{a, b}, 3, "bytes in the bucket"},
		"checksum":   {[]apiv1.Batch{good, {ID: "2", State: "done", Objects: []apiv1.Object{wrong}}}, []*s3double.Object{a, b}, 3, "CRC-32"},
		"not done":   {[]apiv1.Batch{good, undone}, []*s3double.Object{a, b}, 3, "is attempted"},
		"told twice": {[]apiv1.Batch{good, good}, []*s3double.Object{a}, 4, "in the ledger twice"},
		"count":      {[]apiv1.Batch{good}, []*s3double.Object{a}, 3, "the ledger counts 2"},
	} {
		err := compareLedger("e", tc.batches, tc.objects, tc.events)
		if (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("%s: %v, want %q", name, err, tc.problem)
		}
	}
}
