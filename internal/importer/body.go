package importer

import (
	"bytes"
	"encoding/json"

	"strm/internal/stream"
)

// statusEntry is an entry as reports have it.
type statusEntry struct {
	Created  int64             `json:"originalCreationTime"` // ms
	ID       int               `json:"entryId"`
	Valid    bool              `json:"valid"`
	Rows     int64             `json:"numberOfRows"`
	Errors   []stream.RowError `json:"errors"`
	Details  []string          `json:"errorsDetails"`
	Warnings []string          `json:"warnings"`
}

// ReportBody is the report that holds the entries, which are in order of key: one
// JSON object, from the key of a file to the list of its entries, with a line for each
// entry. It depends on the entries alone, so a report that is put again is the same.
func ReportBody(entries []stream.ReportEntry) []byte {
	var out bytes.Buffer
	out.WriteByte('{')
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	write := func(v any) {
		_ = enc.Encode(v) // strings and numbers, into memory
		out.Truncate(out.Len() - 1)
	}
	for n, e := range entries {
		if n == 0 || e.Key != entries[n-1].Key {
			if n > 0 {
				out.WriteString("],\n")
			}
			write(e.Key)
			out.WriteString(":[\n ")
		} else {
			out.WriteString(",\n ")
		}
		write(statusEntry{
			Created: e.ObjectAt.UnixMilli(), ID: e.Entry.EntryID, Valid: e.Entry.Valid, Rows: e.Entry.Rows,
			Errors: list(e.Entry.Errors), Details: list(e.Entry.Details), Warnings: list(e.Entry.Warnings),
		})
	}
	if len(entries) > 0 {
		out.WriteByte(']')
	}
	out.WriteString("}\n")
	return out.Bytes()
}

// list makes nil an empty list, which is [] and not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
