package render

import (
	"fmt"
	"strings"

	"strm/internal/api/apiv1"
)

func importHead() []string {
	return []string{"Import", "Importer", "State", "File", "Size", "Created At", "Rows", "Accepted", "Attempts", "Problem"}
}

func importRow(i apiv1.Import) []string {
	return []string{
		itoa(i.ID), i.Importer, i.State, i.Key, Bytes(i.Bytes), when(&i.CreatedAt), itoa(i.Rows), itoa(i.Accepted), itoa(int64(i.Attempts)), i.Problem,
	}
}

// Imports shows a list of imports. next is the token of the following page, 0
// at the end.
func Imports(list []apiv1.Import, next int64) View {
	doc := struct {
		Imports []apiv1.Import `json:"imports"`
		Next    int64          `json:"next,omitempty"`
	}{list, next}
	if doc.Imports == nil {
		doc.Imports = []apiv1.Import{}
	}
	v := View{JSON: doc, Head: importHead()}
	for _, i := range list {
		v.Rows = append(v.Rows, importRow(i))
	}
	if next != 0 {
		v.Note = []string{fmt.Sprintf("there are older imports: --before %d", next)}
	}
	return v
}

// Import shows one import with what became of its rows.
func Import(i apiv1.Import) View {
	v := View{JSON: i, Head: importHead(), Rows: [][]string{importRow(i)}}
	if t := when(i.NextTryAt); t != "" {
		v.Note = append(v.Note, "next try: "+t)
	}
	for _, e := range i.Entries {
		v.Note = append(v.Note, entryNote(e))
	}
	if i.Report != nil {
		v.Note = append(v.Note, reportNote(*i.Report))
	}
	return v
}

func entryNote(e apiv1.StatusEntry) string {
	// Of a file that was refused as a whole the rows are not known.
	what := "refused"
	if e.Valid {
		what = "accepted"
	}
	text := fmt.Sprintf("entry %d: %s %s", e.EntryID, count(e.Rows, "row", "rows"), what)
	if len(e.Errors) > 0 && (e.Errors[0] == "INVALID_SCHEMA" || e.Errors[0] == "INTEGRATION_CONFIG_NOT_FOUND") {
		text = fmt.Sprintf("entry %d: the file is refused", e.EntryID)
	}
	for n, code := range e.Errors {
		text += "; " + code
		if n < len(e.Details) && e.Details[n] != "" {
			text += ": " + e.Details[n]
		}
	}
	if len(e.Warnings) > 0 {
		text += "; warnings: " + strings.Join(e.Warnings, ", ")
	}
	return text
}

func reportNote(r apiv1.Report) string {
	text := "report: " + r.Key
	switch {
	case r.Problem != "":
		return text + ", " + r.State + ": " + r.Problem
	case r.State == "done":
		return text
	}
	return text + " (" + r.State + ")"
}
