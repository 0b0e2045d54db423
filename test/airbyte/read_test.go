package airbyte

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"
)

// row is a record as the bucket has it, whatever the format.
type row struct {
	key        string
	id         string
	at         int64
	sync       int64
	generation int64
	changes    string // JSON
	data       map[string]any
}

var (
	uuids   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
)

// rows reads every record below a prefix of the bucket, in the order of keys.
// Every id must be a UUID of its own.
func (w *world) rows(prefix string) []row {
	w.t.Helper()
	var all []row
	seen := map[string]string{}
	for _, key := range w.keys() {
		if !strings.HasPrefix(key, prefix) || strings.Contains(key, "_strm_connection_test") {
			continue
		}
		data, _ := w.get(key)
		name := key
		if n, ok := strings.CutSuffix(name, ".gz"); ok {
			name = n
			r, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				w.t.Fatalf("%s: %v", key, err)
			}
			if data, err = io.ReadAll(r); err != nil {
				w.t.Fatalf("%s: %v", key, err)
			}
		}
		var rows []row
		var err error
		switch {
		case strings.HasSuffix(name, ".jsonl"):
			rows, err = readJSONL(data)
		case strings.HasSuffix(name, ".csv"):
			rows, err = readCSV(data)
		case strings.HasSuffix(name, ".parquet"):
			rows, err = readParquet(data)
		default:
			continue
		}
		if err != nil {
			w.t.Fatalf("%s: %v", key, err)
		}
		for i := range rows {
			rows[i].key = key
			if !uuids.MatchString(rows[i].id) || seen[rows[i].id] != "" {
				w.t.Errorf("%s: the id %q is no UUID, or is in %s already", key, rows[i].id, seen[rows[i].id])
			}
			seen[rows[i].id] = key
		}
		all = append(all, rows...)
	}
	return all
}

func take[T any](m map[string]any, key string) (v T, err error) {
	v, ok := m[key].(T)
	if !ok {
		return v, fmt.Errorf("%s is %T %v", key, m[key], m[key])
	}
	delete(m, key)
	return v, nil
}

func integer(n json.Number, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return n.Int64()
}

// readJSONL reads both forms: the data under _airbyte_data, or at the top.
func readJSONL(text []byte) (rows []row, err error) {
	for line := range bytes.Lines(text) {
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			return nil, err
		}
		var r row
		if r.id, err = take[string](m, "_airbyte_raw_id"); err != nil {
			return nil, err
		}
		if r.at, err = integer(take[json.Number](m, "_airbyte_extracted_at")); err != nil {
			return nil, err
		}
		if r.generation, err = integer(take[json.Number](m, "_airbyte_generation_id")); err != nil {
			return nil, err
		}
		meta, err := take[map[string]any](m, "_airbyte_meta")
		if err != nil {
			return nil, err
		}
		if err := r.meta(meta); err != nil {
			return nil, err
		}
		r.data = m
		if data, ok := m["_airbyte_data"].(map[string]any); ok {
			r.data = data
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (r *row) meta(m map[string]any) (err error) {
	if r.sync, err = integer(take[json.Number](m, "sync_id")); err != nil {
		return err
	}
	changes, err := json.Marshal(m["changes"])
	r.changes = string(changes)
	return err
}

func readCSV(text []byte) (rows []row, err error) {
	if !bytes.HasSuffix(text, []byte("\r\n")) {
		return nil, fmt.Errorf("the last line is not ended with CR LF")
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	head := all[0]
	meta := []string{"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"}
	if !slices.Equal(head[:4], meta) {
		return nil, fmt.Errorf("the header is %q", head)
	}
	for _, cells := range all[1:] {
		r := row{id: cells[0], data: map[string]any{}}
		if _, err := fmt.Sscan(cells[1]+" "+cells[3], &r.at, &r.generation); err != nil {
			return nil, err
		}
		var m map[string]any
		if err := decode(cells[2], &m); err != nil {
			return nil, err
		}
		if err := r.meta(m); err != nil {
			return nil, err
		}
		for i, name := range head[4:] {
			if name == "_airbyte_data" {
				if err := decode(cells[4+i], &r.data); err != nil {
					return nil, err
				}
			} else if cells[4+i] != "" {
				r.data[name] = cells[4+i]
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func decode(text string, v any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(v)
}

func readParquet(data []byte) (rows []row, err error) {
	f, err := pq.OpenFile(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	r := pq.NewGenericReader[any](f)
	out := make([]any, f.NumRows())
	for n := 0; n < len(out); {
		k, err := r.Read(out[n:])
		n += k
		if err != nil && n < len(out) {
			return nil, err
		}
	}
	if err := r.Close(); err != nil {
		return nil, err
	}
	for _, v := range out {
		// Through JSON, so that types are those of the other formats.
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		var m map[string]any
		if err := decode(string(text), &m); err != nil {
			return nil, err
		}
		var r row
		if r.id, err = take[string](m, "_airbyte_raw_id"); err != nil {
			return nil, err
		}
		if r.at, err = integer(take[json.Number](m, "_airbyte_extracted_at")); err != nil {
			return nil, err
		}
		if r.generation, err = integer(take[json.Number](m, "_airbyte_generation_id")); err != nil {
			return nil, err
		}
		meta, err := take[map[string]any](m, "_airbyte_meta")
		if err != nil {
			return nil, err
		}
		if err := r.meta(meta); err != nil {
			return nil, err
		}
		for k, v := range m {
			if v == nil {
				delete(m, k)
			}
		}
		r.data = m
		rows = append(rows, r)
	}
	return rows, nil
}

// values returns one member of every row as text, sorted.
func values(rows []row, member string) []string {
	out := []string{}
	for _, r := range rows {
		out = append(out, text(r.data[member]))
	}
	slices.Sort(out)
	return out
}

// text is a value without regard to the format: CSV has texts alone.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	}
	b, _ := json.Marshal(v)
	return string(b)
}
