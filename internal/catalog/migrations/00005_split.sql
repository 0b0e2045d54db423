-- +goose Up

-- What sources of kind split have beside others. events_stream_id is a stream like
-- the source's own; counts_stream_id is empty where counts and unique keys are dropped.

CREATE TABLE split_source (
    source           TEXT NOT NULL PRIMARY KEY REFERENCES source (name) ON DELETE CASCADE,
    environment      TEXT NOT NULL,
    events_stream_id TEXT NOT NULL REFERENCES stream (id),
    counts_stream_id TEXT NOT NULL,
    traffic_types    TEXT NOT NULL, -- JSON {"name":"id",...}
    flags            TEXT NOT NULL, -- JSON {"flag":"traffic type name",...}
    served           TEXT NOT NULL  -- JSON {"version":...,"flags":[...],...}
);
CREATE INDEX split_source_events ON split_source (events_stream_id);
CREATE INDEX split_source_counts ON split_source (counts_stream_id);
