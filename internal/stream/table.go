package stream

// Flattening says whether the members of an event become columns of their own.
type Flattening string

// The ways to flatten. Only the root level expands; what is nested stays JSON.
const (
	FlattenDefault Flattening = ""     // CSV without an envelope: root; else none. Parquet is always flat
	FlattenNone    Flattening = "none" // the event is one column, or one member, of JSON
	FlattenRoot    Flattening = "root"
)

// EnvelopeStyle says what is written around each event.
type EnvelopeStyle string

// The styles. Which columns each has is in docs/design/0009-formats.md.
const (
	EnvelopeNone        EnvelopeStyle = ""
	EnvelopeTarsal      EnvelopeStyle = "tarsal"
	EnvelopeTarsalProse EnvelopeStyle = "tarsal-prose" // the columns as that vendor's page tells them in prose; CSV alone differs
	EnvelopeAirbyte0    EnvelopeStyle = "airbyte-0.x"
	EnvelopeAirbyte1    EnvelopeStyle = "airbyte-1.x"
)

// Envelope is what is written around each event. An empty name is the style's own.
type Envelope struct {
	Style          EnvelopeStyle `json:"style,omitempty"`
	MetadataName   string        `json:"metadataName,omitempty"`   // object that holds id and time: _tarsal_metadata
	IDName         string        `json:"idName,omitempty"`         // _tarsal_ab_id, _airbyte_ab_id, _airbyte_raw_id
	TimeName       string        `json:"timeName,omitempty"`       // _tarsal_emitted_at, _airbyte_emitted_at, _airbyte_extracted_at
	DataName       string        `json:"dataName,omitempty"`       // data, _airbyte_data
	MetaName       string        `json:"metaName,omitempty"`       // _airbyte_meta
	GenerationName string        `json:"generationName,omitempty"` // _airbyte_generation_id
}

// ColumnOrder says in which order the columns stand.
type ColumnOrder string

// The orders.
const (
	OrderDefault ColumnOrder = ""       // by name for envelopes tarsal and airbyte-0.x, else as in the schema
	OrderByName  ColumnOrder = "name"   // by the bytes of the name
	OrderSchema  ColumnOrder = "schema" // as the schema has them; columns found in the events are always by name
)

// Table says what the columns of a flat file are.
type Table struct {
	Schema string      `json:"schema,omitempty"` // JSON Schema (draft 7) of an event; empty: found in each object's events
	Order  ColumnOrder `json:"order,omitempty"`
	Strict bool        `json:"strict,omitempty"` // refuse types that are not known instead of keeping JSON text
	Clean  bool        `json:"clean,omitempty"`  // Parquet: names of letters, digits and '_'; always with an envelope
}

// CSVQuote says which cells are quoted.
type CSVQuote string

// The ways to quote.
const (
	QuoteDefault    CSVQuote = ""            // tarsal: all; airbyte: non-numeric; else needed
	QuoteAll        CSVQuote = "all"         // every cell, null too
	QuoteNonNumeric CSVQuote = "non-numeric" // everything but numbers
	QuoteNeeded     CSVQuote = "needed"      // where the text could be misread; tells null from an empty text
)

// CSV says how cells are written.
type CSV struct {
	Delimiter string   `json:"delimiter,omitempty"` // one character; empty: ','
	Null      string   `json:"null,omitempty"`      // text of a null or missing value
	Quote     CSVQuote `json:"quote,omitempty"`
	NoHeader  bool     `json:"noHeader,omitempty"`
}

// Parquet says how large the parts of a file are. 0 is the default.
type Parquet struct {
	RowGroupBytes   int64 `json:"rowGroupBytes,omitempty"`   // JSON bytes in a row group; 16 MiB
	RowGroupRows    int64 `json:"rowGroupRows,omitempty"`    // events in a row group; no bound
	PageBytes       int64 `json:"pageBytes,omitempty"`       // a column's page before compression; 256 KiB
	DictionaryBytes int64 `json:"dictionaryBytes,omitempty"` // where a column's dictionary ends; 1 MiB
	NoDictionary    bool  `json:"noDictionary,omitempty"`
}
