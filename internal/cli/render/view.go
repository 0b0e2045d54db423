package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// emptyText stands for a table without rows.
const emptyText = "No entities of this resource type exist."

// View is one answer, ready for every format.
type View struct {
	JSON any        // the document
	Head []string   // column titles of the table
	Rows [][]string // its rows
	Text string     // instead of a table and names, where the answer is a sentence
	Note []string   // lines below the table
}

// Write prints the view.
func (v View) Write(w io.Writer, f Format) error {
	switch f {
	case JSON, JSONRaw:
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		if f == JSON {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(v.JSON)
	case Table, Plain:
		_, err := io.WriteString(w, v.text(f))
		return err
	}
	return fmt.Errorf("no such output format: %q", f)
}

func (v View) text(f Format) string {
	var b strings.Builder
	switch {
	case v.Text != "":
		b.WriteString(clean(v.Text) + "\n")
	case f == Plain:
		for _, r := range v.Rows {
			b.WriteString(clean(r[0]) + "\n")
		}
	case len(v.Rows) == 0:
		b.WriteString(emptyText + "\n")
	default:
		writeTable(&b, v.Head, v.Rows)
	}
	if f == Table {
		for _, n := range v.Note {
			b.WriteString(clean(n) + "\n")
		}
	}
	return b.String()
}

// gap stands between two columns.
const gap = "   "

// writeTable writes aligned columns without borders and without spaces at the
// ends of lines.
func writeTable(b *strings.Builder, head []string, rows [][]string) {
	width := make([]int, len(head))
	all := append([][]string{head}, rows...)
	for _, r := range all {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(clean(c)))
		}
	}
	for _, r := range all {
		line := ""
		for i, c := range r {
			c = clean(c)
			line += c
			if i < len(r)-1 {
				line += strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)) + gap
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// clean keeps a value on its line and the terminal's state its own: control
// characters become '?'.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}
