// Package paths makes the keys of a sync's objects from Airbyte's path format
// and file name pattern. It does no I/O.
package paths

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strm/internal/keyname"
	"strm/internal/problem"
)

// The defaults of Airbyte, and the one format that Tarsal has.
const (
	DefaultFormat  = "${NAMESPACE}/${STREAM_NAME}/${YEAR}_${MONTH}_${DAY}_${EPOCH}_"
	DefaultPattern = "{part_number}{format_extension}"

	TarsalFormat  = "${NAMESPACE}/${STREAM_NAME}/${YEAR}_${MONTH}_${DAY}_${EPOCH}_"
	TarsalPattern = "0{format_extension}"
)

// Template makes keys. It is immutable.
type Template struct {
	parts  []part
	tarsal bool
}

type part struct {
	text   string // literal, if name is empty
	name   string // of the variable
	layout string // of date: for time.Format
}

// Values are what the variables stand for.
type Values struct {
	Namespace string
	Stream    string
	Sync      time.Time // when the sync began
	Now       time.Time // when the file gets its name
	SyncID    int64
	Part      int64
	Ext       string // without a leading dot
	UUID      string
}

// Parse reads a bucket path, a path format and a file name pattern; the empty
// ones of the latter two are the defaults. Errors are of kind Invalid.
func Parse(bucketPath, format, pattern string) (*Template, error) {
	if format == "" {
		format = DefaultFormat
	}
	if pattern == "" {
		pattern = DefaultPattern
	}
	t := &Template{}
	if path := strings.Trim(bucketPath, "/"); path != "" {
		if err := t.add("s3_bucket_path", path+"/", "${", pathVariables); err != nil {
			return nil, err
		}
	}
	if err := t.add("s3_path_format", format, "${", pathVariables); err != nil {
		return nil, err
	}
	if err := t.add("file_name_pattern", pattern, "{", fileVariables); err != nil {
		return nil, err
	}
	return t, nil
}

// Tarsal returns Tarsal's layout: its time is that of the file, and names have
// no hyphens.
func Tarsal(bucketPath string) (*Template, error) {
	t, err := Parse(bucketPath, TarsalFormat, TarsalPattern)
	if err != nil {
		return nil, err
	}
	t.tarsal = true
	return t, nil
}

const (
	pathVariables = " NAMESPACE STREAM_NAME YEAR MONTH DAY HOUR MINUTE SECOND MILLISECOND EPOCH UUID SYNC_ID "
	fileVariables = " date timestamp part_number sync_id format_extension "
)

func (t *Template) add(field, text, open, known string) error {
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "." || segment == ".." {
			return problem.New(problem.Invalid, `%s must not have "." or ".." as a part of the path`, field)
		}
	}
	whole := text
	for text != "" {
		at := strings.IndexAny(text, "{}")
		if at < 0 {
			t.parts = append(t.parts, part{text: text})
			break
		}
		begin := at
		if open == "${" {
			begin--
		}
		end := strings.IndexByte(text, '}')
		if text[at] != '{' || begin < 0 || !strings.HasPrefix(text[begin:], open) || end < at ||
			open == "{" && at > 0 && text[at-1] == '$' {
			return problem.New(problem.Invalid, "%s %q: variables are written %sNAME} here, and braces stand for nothing else", field, whole, open)
		}
		if begin > 0 {
			t.parts = append(t.parts, part{text: text[:begin]})
		}
		name, layout, _ := strings.Cut(text[at+1:end], ":")
		if name == "" || !strings.Contains(known, " "+name+" ") {
			return problem.New(problem.Invalid, "%s: the variable %s%s} is not known; there are %s", field, open, text[at+1:end], list(open, known))
		}
		p := part{name: name}
		var err error
		if p.layout, err = argument(name, layout); err != nil {
			return problem.New(problem.Invalid, "%s: %s%s}: %w", field, open, text[at+1:end], err)
		}
		t.parts = append(t.parts, p)
		text = text[end+1:]
	}
	return nil
}

func list(open, known string) string {
	names := strings.Fields(known)
	for i, n := range names {
		names[i] = open + n + "}"
	}
	return strings.Join(names, " ")
}

// argument reads what stands after the colon.
func argument(name, arg string) (string, error) {
	switch {
	case name == "date":
		if arg == "" {
			arg = "yyyy_MM_dd"
		}
		return dateLayout(arg)
	case name == "timestamp" && (arg == "" || arg == "millis" || arg == "micros"):
		return arg, nil
	case arg == "":
		return "", nil
	}
	return "", fmt.Errorf("it cannot have %q after a colon", arg)
}

// dateLayout translates the letters of Java's date formats.
func dateLayout(java string) (string, error) {
	fields := map[string]string{
		"yyyy": "2006", "uuuu": "2006", "yy": "06", "MM": "01", "M": "1", "MMM": "Jan", "dd": "02", "d": "2",
		"HH": "15", "mm": "04", "ss": "05", "DDD": "002",
	}
	var out strings.Builder
	for i := 0; i < len(java); {
		c := java[i]
		j := i + 1
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			for j < len(java) && java[j] == c {
				j++
			}
			f, ok := fields[java[i:j]]
			if !ok {
				return "", fmt.Errorf("the date format's %q is not known; use yyyy, yy, MM, dd, HH, mm, ss", java[i:j])
			}
			out.WriteString(f)
		case c >= '0' && c <= '9':
			return "", errors.New("a date format cannot hold digits")
		case c == '\'':
			return "", errors.New("a date format cannot hold quotes")
		default:
			out.WriteByte(c)
		}
		i = j
	}
	return out.String(), nil
}

// Key returns the key. Only repeated slashes are put together, and those at the
// beginning go: so an absent namespace takes its directory with it.
func (t *Template) Key(v Values) string { return collapse(t.render(v, false)) }

// Prefix returns what all keys of the stream begin with, in whichever sync.
func (t *Template) Prefix(v Values) string { return collapse(t.render(v, true)) }

func (t *Template) render(v Values, constant bool) string {
	if t.tarsal {
		v.Sync = v.Now
	}
	clean := keyname.Clean
	if t.tarsal {
		clean = keyname.CleanTarsal
	}
	var out strings.Builder
	for _, p := range t.parts {
		if constant && p.name != "" && p.name != "NAMESPACE" && p.name != "STREAM_NAME" {
			break
		}
		out.WriteString(p.expand(v, clean))
	}
	return out.String()
}

func collapse(key string) string {
	var out strings.Builder
	slash := true
	for i := range len(key) {
		if key[i] == '/' && slash {
			continue
		}
		slash = key[i] == '/'
		out.WriteByte(key[i])
	}
	return out.String()
}

func (p part) expand(v Values, clean func(string) string) string {
	at := v.Sync.UTC()
	switch p.name {
	case "":
		return p.text
	case "NAMESPACE":
		return clean(v.Namespace)
	case "STREAM_NAME":
		return clean(v.Stream)
	case "YEAR":
		return at.Format("2006")
	case "MONTH":
		return at.Format("01")
	case "DAY":
		return at.Format("02")
	case "HOUR":
		return at.Format("15")
	case "MINUTE":
		return at.Format("04")
	case "SECOND":
		return at.Format("05")
	case "MILLISECOND":
		return fmt.Sprintf("%04d", at.Nanosecond()/int(time.Millisecond))
	case "EPOCH":
		return strconv.FormatInt(at.UnixMilli(), 10)
	case "UUID":
		return v.UUID
	case "SYNC_ID", "sync_id":
		return strconv.FormatInt(v.SyncID, 10)
	case "date":
		return at.Format(p.layout)
	case "timestamp":
		if p.layout == "micros" {
			return strconv.FormatInt(v.Now.UnixMicro(), 10)
		}
		return strconv.FormatInt(v.Now.UnixMilli(), 10)
	case "part_number":
		return strconv.FormatInt(v.Part, 10)
	case "format_extension":
		return "." + v.Ext
	}
	return ""
}

// Has reports whether the template has a variable, by its name.
func (t *Template) Has(names ...string) bool {
	for _, p := range t.parts {
		for _, n := range names {
			if p.name == n {
				return true
			}
		}
	}
	return false
}

// FileTime reports whether all times in keys are of the file: then another
// millisecond makes another key.
func (t *Template) FileTime() bool { return t.tarsal || t.Has("timestamp") }

// Part finds the part number of a key that Key could have made of v with
// another part number, and whether there is one.
func (t *Template) Part(key string, v Values) (int64, bool) {
	const mark = int64(7770001777) // no other number of the key is this one
	v.Part = mark
	before, after, ok := strings.Cut(t.Key(v), strconv.FormatInt(mark, 10))
	if !ok || !strings.HasPrefix(key, before) {
		return 0, false
	}
	digits := key[len(before):]
	n := 0
	for n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
		n++
	}
	if n == 0 || n > 18 || !t.FileTime() && digits[n:] != after {
		return 0, false
	}
	part, err := strconv.ParseInt(digits[:n], 10, 64)
	return part, err == nil
}

// CheckKey refuses keys that lead up the tree: some stores and every file
// system take "..", which may come from a stream's name, at its word.
func CheckKey(key string) error {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return problem.New(problem.Invalid, `the key %q would have %q as a part; rename the stream or its namespace`, key, segment)
		}
	}
	return nil
}
