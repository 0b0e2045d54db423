package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"strm/test/s3double"
	"strm/test/traffic"
)

// What the importer of the run reads, and where it reports.
const (
	filesPrefix   = "events/"
	statusFolder  = "statuses"
	environment   = "env-crash"
	firstRowAt    = 1795161463647
	mostBigRows   = 12000 // of a file of several chunks
	mostSmallRows = 600
)

// fileVersion is what was put under a key at one time.
type fileVersion struct {
	key     string
	etag    string
	file, n int      // which key, and which of its versions, from 0
	bad     []string // of each row, the codes that it must be refused with; empty: it is good
}

// good returns how many rows must be accepted.
func (v *fileVersion) good() (n int64) {
	for _, codes := range v.bad {
		if codes == "" {
			n++
		}
	}
	return n
}

// rowID names a row of a version of a file.
type rowID struct{ file, version, row int }

func (id rowID) String() string { return fmt.Sprintf("%d-%d-%d", id.file, id.version, id.row) }

func parseRowID(s string) (id rowID, err error) {
	f := strings.Split(s, "-")
	if len(f) != 3 {
		return id, fmt.Errorf("no key of a row: %q", s)
	}
	for i, to := range []*int{&id.file, &id.version, &id.row} {
		if *to, err = strconv.Atoi(f[i]); err != nil {
			return id, fmt.Errorf("no key of a row: %q", s)
		}
	}
	return id, nil
}

// pad follows from the id alone, as that of sent events does.
func (id rowID) pad() string {
	return traffic.EventID{Sender: id.file*100 + id.version, N: int64(id.row)}.Pad()
}

// fileRow is a row as event files have it.
type fileRow struct {
	Environment *string           `parquet:"environmentId,optional"`
	Traffic     *string           `parquet:"trafficTypeId,optional"`
	Type        *string           `parquet:"eventTypeId,optional"`
	Key         *string           `parquet:"key,optional"`
	Timestamp   *int64            `parquet:"timestamp,optional"`
	Value       *float64          `parquet:"value,optional"`
	Properties  map[string]string `parquet:"properties,optional"`
}

// row makes a row, which is bad in the way that its codes say.
func (id rowID) make(codes string) fileRow {
	env, traffic, kind, key, at, value := environment, "user", "crash", id.String(), int64(firstRowAt+id.row), float64(id.row)/2
	row := fileRow{&env, &traffic, &kind, &key, &at, &value, map[string]string{"pad": id.pad()}}
	if strings.Contains(codes, "INVALID_ENVIRONMENT_ID") {
		env = "env-unknown"
	}
	if strings.Contains(codes, "INVALID_TIMESTAMP") {
		at /= 1000
	}
	if strings.Contains(codes, "REQUIRED_FIELDS_NULL") {
		row.Key = nil
	}
	return row
}

// uploader puts event files into the bucket, and now and then another one under
// a name that is taken.
type uploader struct {
	store    *s3double.Store
	rng      *rand.Rand
	versions [][]*fileVersion // of each file, oldest first
}

// round puts up to three files.
func (u *uploader) round() error {
	for range 1 + u.rng.IntN(3) {
		file, again := len(u.versions), u.rng.IntN(5) == 0 && len(u.versions) > 0
		if again {
			file = len(u.versions) - 1 - u.rng.IntN(min(4, len(u.versions)))
		} else {
			u.versions = append(u.versions, nil)
		}
		v := &fileVersion{key: fmt.Sprintf("%spart %03d+.parquet", filesPrefix, file), file: file, n: len(u.versions[file])}
		body, err := v.make(u.rng)
		if err != nil {
			return err
		}
		u.versions[file] = append(u.versions[file], v)
		v.etag = u.store.Add(v.key, body).ETag()
	}
	return nil
}

// make draws the rows, of which one in a hundred is bad.
func (v *fileVersion) make(r *rand.Rand) ([]byte, error) {
	n := 1 + r.IntN(mostSmallRows)
	if r.IntN(3) == 0 {
		n = mostBigRows/3 + r.IntN(2*mostBigRows/3)
	}
	rows := make([]fileRow, n)
	v.bad = make([]string, n)
	for i := range rows {
		if r.IntN(100) == 0 {
			v.bad[i] = []string{"INVALID_ENVIRONMENT_ID", "INVALID_TIMESTAMP", "REQUIRED_FIELDS_NULL", "INVALID_ENVIRONMENT_ID,INVALID_TIMESTAMP"}[r.IntN(4)]
		}
		rows[i] = rowID{v.file, v.n, i}.make(v.bad[i])
	}
	var body bytes.Buffer
	codec := []parquet.WriterOption{parquet.Compression(&parquet.Snappy), parquet.Compression(&parquet.Zstd), parquet.Compression(&parquet.Uncompressed)}[r.IntN(3)]
	if err := parquet.Write(&body, rows, codec, parquet.MaxRowsPerRowGroup(int64(500+r.IntN(5000)))); err != nil {
		return nil, fmt.Errorf("write an event file: %w", err)
	}
	return body.Bytes(), nil
}
