package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"strm/internal/api/apiv1"
	"strm/test/s3double"
	"strm/test/traffic"
)

// filesVerdict is what was found of the event files.
type filesVerdict struct {
	keys, replaced     int
	rows, events       int64 // in the files, in the stream
	missing, duplicate int64
	reports, entries   int // entries told for the first time
	repeated           int // and those told again
	again              int // imports that took more than one attempt
	problems           []string
}

func (v filesVerdict) String() string {
	return fmt.Sprintf("files: %d, and %d that replaced one, %d rows; %d events of them, missing %d, duplicates %d; %d imports begun again; %d reports, %d entries, %d told again",
		v.keys, v.replaced, v.rows, v.events, v.missing, v.duplicate, v.again, v.reports, v.entries, v.repeated)
}

func (v *filesVerdict) problem(format string, args ...any) {
	if len(v.problems) < traffic.MaxProblems {
		v.problems = append(v.problems, fmt.Sprintf(format, args...))
	}
}

func (v *filesVerdict) err() error {
	errs := make([]error, 0, len(v.problems))
	for _, p := range v.problems {
		errs = append(errs, fmt.Errorf("files: %s", p))
	}
	return errors.Join(errs...)
}

// judgeFiles compares the events of the stream, as objects of an exporter, the
// reports and the ledger with what was uploaded. The last version of each file is
// in, whole and once. One that was replaced is in; or was refused, and then some
// of its first rows may be in; or nobody noticed it. The reports account for every
// row of what is in, and tell of each that was refused.
func judgeFiles(versions [][]*fileVersion, objects, reports []*s3double.Object, imports []apiv1.Import) filesVerdict {
	v := filesVerdict{keys: len(versions)}
	stored := v.count(versions, objects)
	told := v.read(reports)
	of := map[string]apiv1.Import{}
	for _, i := range imports {
		if _, twice := of[i.Key+i.ETag]; twice {
			v.problem("%s: two imports of the version with ETag %s", i.Key, i.ETag)
		}
		of[i.Key+i.ETag] = i
		if i.Attempts > 1 {
			v.again++
		}
		if i.State != "done" {
			v.problem("%s: the import is %s: %s", i.Key, i.State, i.Problem)
		}
	}
	for file, list := range versions {
		v.replaced += len(list) - 1
		want := map[string]int64{}
		for n, one := range list {
			v.rows += int64(len(one.bad))
			i, noticed := of[one.key+one.etag]
			delete(of, one.key+one.etag)
			v.compare(one, stored[file][n], i, noticed, n == len(list)-1, want)
		}
		key := list[0].key
		if !maps.Equal(told[key], want) {
			v.problem("%s: %v rows by their codes, and the reports say %v", key, want, told[key])
		}
		delete(told, key)
	}
	for _, key := range slices.Sorted(maps.Keys(told)) {
		v.problem("the reports tell of %s, which there never was", key)
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		v.problem("an import of %s, which there never was", name)
	}
	return v
}

// count counts how often each row is in the stream.
func (v *filesVerdict) count(versions [][]*fileVersion, objects []*s3double.Object) [][][]uint8 {
	stored := make([][][]uint8, len(versions))
	for f, of := range versions {
		for _, one := range of {
			stored[f] = append(stored[f], make([]uint8, len(one.bad)))
		}
	}
	for _, o := range objects {
		if strings.HasPrefix(path.Base(o.Key), ".strm_test_") {
			continue
		}
		lines, err := traffic.Decode(o)
		if err != nil {
			v.problem("object %s: %v", o.Key, err)
		}
		for n, line := range lines {
			v.events++
			id, err := readRow(line)
			switch {
			case err != nil:
				v.problem("object %s line %d: %v", o.Key, n+1, err)
			case id.file < 0 || id.file >= len(versions) || id.version < 0 || id.version >= len(versions[id.file]) || id.row < 0 || id.row >= len(versions[id.file][id.version].bad):
				v.problem("object %s line %d: row %v was never in a file", o.Key, n+1, id)
			case versions[id.file][id.version].bad[id.row] != "":
				v.problem("object %s line %d: row %v should have been refused: %s", o.Key, n+1, id, versions[id.file][id.version].bad[id.row])
			default:
				c := &stored[id.file][id.version][id.row]
				if *c++; *c > 1 {
					v.duplicate++
					v.problem("object %s line %d: row %v is a duplicate", o.Key, n+1, id)
					*c = 2 // stay far from the end of the counter
				}
			}
		}
	}
	return stored
}

// readRow checks an event that was a row.
func readRow(line []byte) (rowID, error) {
	doc := gjson.ParseBytes(line)
	id, err := parseRowID(doc.Get("key").Str)
	if err != nil {
		return id, err
	}
	want, err := json.Marshal(map[string]any{"environmentId": environment, "trafficTypeId": "user", "eventTypeId": "crash", "key": id.String(),
		"timestamp": int64(firstRowAt + id.row), "value": float64(id.row) / 2, "properties": map[string]string{"pad": id.pad()}})
	if err != nil {
		return id, err
	}
	var got, wanted map[string]any
	if err := errors.Join(json.Unmarshal(line, &got), json.Unmarshal(want, &wanted)); err != nil {
		return id, err
	}
	if fmt.Sprint(got) != fmt.Sprint(wanted) { // maps are printed in order
		return id, fmt.Errorf("row %v is damaged: %.300q", id, line)
	}
	return id, nil
}

// compare looks at the rows of one version that are in, and adds to want what the
// reports must say of it.
func (v *filesVerdict) compare(one *fileVersion, stored []uint8, i apiv1.Import, noticed, last bool, want map[string]int64) {
	whole := noticed && i.Rows == int64(len(one.bad)) && i.Accepted == one.good()
	if last && !whole {
		v.problem("%s: the last version is not imported: %+v", one.key, i)
	}
	var missing, there int64
	for n, codes := range one.bad {
		if whole {
			want[codes]++
		}
		switch {
		case codes != "":
		case stored[n] == 0:
			missing++
			if whole || last {
				v.missing++
				v.problem("row %v is missing", rowID{one.file, one.n, n})
			}
		default:
			there++
			if missing > 0 {
				v.problem("row %v is in, and one before it is not", rowID{one.file, one.n, n})
			}
		}
	}
	switch {
	case noticed && !whole:
		want["INVALID_SCHEMA"]++
		if there > i.Rows {
			v.problem("%s: %d rows are in of a version of which %d were read", one.key, there, i.Rows)
		}
	case !noticed && there > 0:
		v.problem("%s: %d rows are in of a version that nobody noticed", one.key, there)
	}
}

// read sums the reports by file and codes, as the vendor's page has it done:
// repeats of (file name, time, id) are left out.
func (v *filesVerdict) read(reports []*s3double.Object) map[string]map[string]int64 {
	type entryID struct {
		file string
		at   int64
		id   int
	}
	seen, sums := map[entryID]string{}, map[string]map[string]int64{}
	for _, o := range reports {
		if strings.HasPrefix(path.Base(o.Key), ".strm_test_") {
			continue
		}
		v.reports++
		var report map[string][]apiv1.StatusEntry
		if err := json.Unmarshal(o.Body, &report); err != nil || len(report) == 0 {
			v.problem("report %s: %v: %.200q", o.Key, err, o.Body)
			continue
		}
		for file, entries := range report {
			for _, e := range entries {
				id, text := entryID{file, e.CreationTime, e.EntryID}, fmt.Sprint(e)
				if was, ok := seen[id]; ok {
					v.repeated++
					if was != text {
						v.problem("report %s: %s: entry %s was %s", o.Key, file, text, was)
					}
					continue
				}
				seen[id] = text
				v.entries++
				if e.Valid != (len(e.Errors) == 0) {
					v.problem("report %s: %s: entry %s", o.Key, file, text)
				}
				if sums[file] == nil {
					sums[file] = map[string]int64{}
				}
				sums[file][strings.Join(e.Errors, ",")] += e.Rows
			}
		}
	}
	return sums
}
