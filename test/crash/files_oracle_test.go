package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"strm/internal/api/apiv1"
	"strm/test/s3double"
)

// rowsOf are the rows of a version that are good, but for those left out.
func rowsOf(t *testing.T, v *fileVersion, from, to int) []byte {
	t.Helper()
	var out []byte
	for n, codes := range v.bad[:to] {
		if codes != "" || n < from {
			continue
		}
		id := rowID{v.file, v.n, n}
		line, err := json.Marshal(map[string]any{"environmentId": environment, "trafficTypeId": "user", "eventTypeId": "crash", "key": id.String(),
			"timestamp": firstRowAt + n, "value": float64(n) / 2, "properties": map[string]string{"pad": id.pad()}})
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	return out
}

func TestJudgeFiles(t *testing.T) {
	const bad = "INVALID_TIMESTAMP"
	a := &fileVersion{key: "events/a", etag: "1", bad: []string{"", bad, "", ""}}
	b0 := &fileVersion{key: "events/b", etag: "2", file: 1, bad: []string{"", "", ""}}
	b1 := &fileVersion{key: "events/b", etag: "3", file: 1, n: 1, bad: []string{"", ""}}
	versions := [][]*fileVersion{{a}, {b0, b1}}
	entry := func(id int, at, rows int64, codes ...string) apiv1.StatusEntry {
		return apiv1.StatusEntry{EntryID: id, CreationTime: at, Valid: len(codes) == 0, Rows: rows, Errors: codes}
	}
	type parts struct {
		objects []byte
		report  map[string][]apiv1.StatusEntry
		imports []apiv1.Import
		again   bool // the report is told twice
	}
	good := func() parts {
		return parts{
			objects: append(append(rowsOf(t, a, 0, 4), rowsOf(t, b0, 0, 2)...), rowsOf(t, b1, 0, 2)...),
			report: map[string][]apiv1.StatusEntry{"events/a": {entry(1, 1, 3), entry(2, 1, 1, bad)},
				"events/b": {entry(1, 1, 1, "INVALID_SCHEMA"), entry(1, 2, 2)}},
			imports: []apiv1.Import{{Key: "events/a", ETag: "1", State: "done", Rows: 4, Accepted: 3},
				{Key: "events/b", ETag: "2", State: "done", Rows: 2}, {Key: "events/b", ETag: "3", State: "done", Rows: 2, Accepted: 2}},
		}
	}
	for name, tc := range map[string]struct {
		spoil func(*parts)
		want  string
	}{
		"good":       {func(*parts) {}, ""},
		"told again": {func(p *parts) { p.again = true }, ""},
		"not noticed": {func(p *parts) {
			p.imports = append(p.imports[:1], p.imports[2])
			p.report["events/b"] = p.report["events/b"][1:]
		}, "nobody noticed"},
		"a row twice":   {func(p *parts) { p.objects = append(p.objects, rowsOf(t, a, 2, 3)...) }, "row 0-0-2 is a duplicate"},
		"a row missing": {func(p *parts) { p.objects = append(rowsOf(t, a, 2, 4), rowsOf(t, b1, 0, 2)...) }, "row 0-0-0 is missing"},
		"a gap": {func(p *parts) {
			p.objects = append(append(rowsOf(t, a, 0, 4), rowsOf(t, b1, 0, 2)...), rowsOf(t, b0, 1, 2)...)
		}, "one before it is not"},
		"more than was read": {func(p *parts) { p.imports[1].Rows = 1 }, "2 rows are in of a version of which 1 were read"},
		"a bad row": {func(p *parts) {
			c := *a
			c.bad = []string{"", "", "", ""}
			p.objects = append(p.objects, rowsOf(t, &c, 1, 2)...)
		}, "should have been refused"},
		"a row of no file":    {func(p *parts) { c := *b1; c.n = 7; p.objects = append(p.objects, rowsOf(t, &c, 0, 1)...) }, "never in a file"},
		"damage":              {func(p *parts) { p.objects = []byte(strings.Replace(string(p.objects), `"user"`, `"usex"`, 1)) }, "is damaged"},
		"the last refused":    {func(p *parts) { p.imports[2].Accepted = 0 }, "the last version is not imported"},
		"not done":            {func(p *parts) { p.imports[0].State = "running" }, "is running"},
		"two imports":         {func(p *parts) { p.imports = append(p.imports, p.imports[0]) }, "two imports"},
		"no such version":     {func(p *parts) { p.imports = append(p.imports, apiv1.Import{Key: "x", State: "done"}) }, "which there never was"},
		"a report lost":       {func(p *parts) { delete(p.report, "events/a") }, "the reports say map[]"},
		"rows not told of":    {func(p *parts) { p.report["events/a"][0].Rows-- }, "the reports say"},
		"a refusal lost":      {func(p *parts) { p.report["events/b"] = p.report["events/b"][1:] }, "the reports say"},
		"told of what is not": {func(p *parts) { p.report["events/c"] = p.report["events/a"] }, "the reports tell of events/c"},
	} {
		p := good()
		tc.spoil(&p)
		body, err := json.Marshal(p.report)
		if err != nil {
			t.Fatal(err)
		}
		reports := []*s3double.Object{{Key: "statuses/1", Body: body}}
		if p.again {
			reports = append(reports, &s3double.Object{Key: "statuses/2", Body: body})
		}
		v := judgeFiles(versions, []*s3double.Object{{Key: "imported/o", Body: p.objects}}, reports, p.imports)
		err = v.err()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if p.again && v.repeated != 4 {
			t.Errorf("%d entries told again", v.repeated)
		}
	}
}

// The seed alone says which files there are.
func TestUploads(t *testing.T) {
	all := func() (out string, replaced int) {
		store := &s3double.Store{}
		u := &uploader{store: store, rng: rand.New(rand.NewPCG(3, 4))}
		for range 12 {
			if err := u.round(); err != nil {
				t.Fatal(err)
			}
		}
		for _, of := range u.versions {
			replaced += len(of) - 1
			for _, v := range of {
				out += fmt.Sprint(v.key, v.n, len(v.bad), v.good(), "\n")
			}
			last := of[len(of)-1]
			if list := store.List(last.key); len(list) != 1 || list[0].ETag() != last.etag {
				t.Errorf("%s is not as it was put last", last.key)
			}
		}
		return out, replaced
	}
	one, replaced := all()
	if two, _ := all(); one != two {
		t.Errorf("one seed, and\n%s\n%s", one, two)
	}
	if replaced == 0 {
		t.Error("no file replaced another")
	}
}
