package render

import (
	"fmt"

	"strm/internal/api/apiv1"
)

// Verification shows the outcome of a check.
func Verification(v apiv1.Verification) View {
	text := fmt.Sprintf("%s: %s, %s, %s, %s; %s read and compared", v.Exporter, count(v.Batches, "batch", "batches"),
		count(v.Objects, "object", "objects"), count(v.Events, "event", "events"), Bytes(v.Bytes), count(v.Read, "object", "objects"))
	if v.NotRead != "" {
		text += " (" + v.NotRead + ")"
	}
	out := View{JSON: v, Head: []string{"Batch", "Key", "Difference"}}
	if len(v.Differences) == 0 {
		if v.OK {
			text += ": no difference"
		}
		out.Text = text
		return out
	}
	for _, d := range v.Differences {
		out.Rows = append(out.Rows, []string{d.Batch, d.Key, d.What})
	}
	out.Note = []string{text}
	return out
}

// Differences tells the differences in lines, for standard error.
func Differences(list []apiv1.Difference) []string {
	out := make([]string, 0, len(list))
	for _, d := range list {
		line := d.What
		if d.Key != "" {
			line = d.Key + ": " + line
		}
		if d.Batch != "" {
			line = "batch " + d.Batch + ": " + line
		}
		out = append(out, clean(line))
	}
	return out
}
