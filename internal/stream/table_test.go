package stream

import (
	"encoding/json"
	"testing"
)

// Outputs stored before formats had options read as they were, and are stored
// as they were.
func TestOutputsWithoutOptionsStayAsTheyAre(t *testing.T) {
	const old = `{"pathPrefix":"a/b","layout":"strm","format":"jsonl","compression":"gzip"}`
	var o Output
	if err := json.Unmarshal([]byte(old), &o); err != nil {
		t.Fatal(err)
	}
	if o != (Output{PathPrefix: "a/b", Layout: "strm", Format: "jsonl", Compression: "gzip"}) {
		t.Errorf("%+v", o)
	}
	b, err := json.Marshal(o)
	if err != nil || string(b) != old {
		t.Errorf("%s, %v", b, err)
	}
	full := Output{Flattening: FlattenRoot, Envelope: Envelope{Style: EnvelopeTarsal, IDName: "i"}, Table: Table{Schema: "{}", Strict: true}, CSV: CSV{Null: `\N`}, Parquet: Parquet{PageBytes: 7}}
	b, err = json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var back Output
	if err := json.Unmarshal(b, &back); err != nil || back != full {
		t.Errorf("%s came back as %+v, %v", b, back, err)
	}
}
