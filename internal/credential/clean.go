package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"strm/internal/problem"
)

// clean removes a byte order mark and blanks out // comments outside of
// strings, so that positions stay what they are in the file.
func clean(file []byte) []byte {
	out := bytes.Clone(bytes.TrimPrefix(file, []byte("\xef\xbb\xbf")))
	inString := false
	for i := 0; i < len(out); i++ {
		switch {
		case inString && out[i] == '\\':
			i++
		case out[i] == '"':
			inString = !inString
		case !inString && out[i] == '/' && i+1 < len(out) && out[i+1] == '/':
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		}
	}
	return out
}

// syntaxError says where the JSON breaks off, without a word of what is there.
func syntaxError(text []byte, err error) error {
	at := int64(len(text))
	what := "the JSON ends too early"
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = min(syntax.Offset, at)
		if at < int64(len(text)) || (at > 0 && !endsEarly(text)) {
			what = "this is not JSON"
			at = max(at-1, 0) // the offset is behind the bad byte
		}
	}
	line, column := position(text, int(at))
	return problem.New(problem.Invalid, "the credentials file cannot be read: line %d, column %d: %s", line, column, what)
}

// endsEarly reports whether more text could have made it JSON.
func endsEarly(text []byte) bool {
	var v json.RawMessage
	err := json.NewDecoder(bytes.NewReader(text)).Decode(&v)
	return err != nil && !errors.As(err, new(*json.SyntaxError))
}

// position counts lines and columns from 1, columns in characters.
func position(text []byte, at int) (line, column int) {
	before := text[:at]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return line, column
}
