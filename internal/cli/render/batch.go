package render

import (
	"fmt"
	"strings"

	"strm/internal/api/apiv1"
)

func batchHead() []string {
	return []string{"Batch", "State", "Reason", "Cut At", "Events", "Bytes", "Objects", "Attempts", "Problem"}
}

func batchRow(b apiv1.Batch) []string {
	state := b.State
	if b.Blocked {
		state += " (blocked)"
	}
	reason := b.Reason
	if b.Replay != "" {
		reason = b.Replay // "replay-..." says why, and which one
	}
	return []string{
		b.ID, state, reason, when(&b.CutAt), itoa(b.Events), Bytes(b.Bytes), itoa(int64(len(b.Objects))), itoa(int64(b.Attempts)), b.Problem,
	}
}

// Batches shows a list of batches. next is the token of the following page, 0
// at the end.
func Batches(list []apiv1.Batch, next int64) View {
	doc := struct {
		Batches []apiv1.Batch `json:"batches"`
		Next    int64         `json:"next,omitempty"`
	}{list, next}
	if doc.Batches == nil {
		doc.Batches = []apiv1.Batch{}
	}
	v := View{JSON: doc, Head: batchHead()}
	for _, b := range list {
		v.Rows = append(v.Rows, batchRow(b))
	}
	if next != 0 {
		v.Note = []string{fmt.Sprintf("there are older batches: --before %d", next)}
	}
	return v
}

// Batch shows one batch with its objects.
func Batch(b apiv1.Batch) View {
	v := View{JSON: b, Head: batchHead(), Rows: [][]string{batchRow(b)}}
	for _, o := range b.Objects {
		stored := "not stored yet"
		if o.Stored {
			stored = "stored"
		}
		v.Note = append(v.Note, fmt.Sprintf("object %s: %s, %s, %s, offsets %s", o.Key, stored, count(o.Events, "event", "events"), Bytes(o.Bytes), ranges(o.Ranges)))
	}
	return v
}

func ranges(rs []apiv1.Range) string {
	parts := make([]string, len(rs))
	for i, r := range rs {
		parts[i] = fmt.Sprintf("%d:%d-%d", r.Partition, r.Start, r.End)
	}
	return strings.Join(parts, " ")
}
