-- +goose Up

-- Batch importers: files of buckets that are imported once, what became of
-- their rows, and the reports about them.

-- Numbers given out, in the order of commits: the row is locked until then.
CREATE TABLE counter (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('import', 0), ('report', 0);

-- sink is the sink's name and no foreign key, as in exporter. A deleted
-- importer stays as a row: what it has noticed is reported all the same.
CREATE TABLE importer (
    id             TEXT    NOT NULL PRIMARY KEY,
    name           TEXT    NOT NULL,
    stream_id      TEXT    NOT NULL REFERENCES stream (id),
    sink           TEXT    NOT NULL,
    environments   TEXT    NOT NULL, -- JSON ["a","b"]
    prefix         TEXT    NOT NULL,
    suffixes       TEXT    NOT NULL, -- JSON ["a","b"]
    status_prefix  TEXT    NOT NULL,
    topic_arn      TEXT    NOT NULL,
    queue_url      TEXT    NOT NULL,
    token          TEXT    NOT NULL,
    list_every     BIGINT  NOT NULL,
    report_every   BIGINT  NOT NULL,
    from_start     BOOLEAN NOT NULL,
    paused         BOOLEAN NOT NULL,
    sub_state      TEXT    NOT NULL DEFAULT '',
    sub_arn        TEXT    NOT NULL DEFAULT '',
    sub_at         BIGINT  NOT NULL DEFAULT 0,
    tested_at      BIGINT  NOT NULL DEFAULT 0,
    test_bucket    TEXT    NOT NULL DEFAULT '',
    problem        TEXT    NOT NULL DEFAULT '',
    listed_at      BIGINT  NOT NULL DEFAULT 0,
    noticed_at     BIGINT  NOT NULL DEFAULT 0,
    created_at     BIGINT  NOT NULL,
    updated_at     BIGINT  NOT NULL,
    deleted_at     BIGINT  NOT NULL DEFAULT 0,
    done_files     BIGINT  NOT NULL DEFAULT 0,
    done_rows      BIGINT  NOT NULL DEFAULT 0,
    done_accepted  BIGINT  NOT NULL DEFAULT 0,
    last_done_at   BIGINT  NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX importer_name ON importer (name) WHERE deleted_at = 0;
CREATE UNIQUE INDEX importer_token ON importer (token) WHERE deleted_at = 0;
CREATE INDEX importer_stream ON importer (stream_id) WHERE deleted_at = 0;
CREATE INDEX importer_sink ON importer (sink);

-- One version of one file. report_id is 0 until a report holds its entries,
-- and -1 when none ever will: there are no entries, or they were given up.
CREATE TABLE import_file (
    id            BIGINT  NOT NULL PRIMARY KEY,
    importer_id   TEXT    NOT NULL REFERENCES importer (id),
    place         TEXT    NOT NULL,
    object_key    TEXT    NOT NULL,
    version       TEXT    NOT NULL,
    etag          TEXT    NOT NULL,
    bytes         BIGINT  NOT NULL,
    object_at     BIGINT  NOT NULL,
    via           TEXT    NOT NULL,
    noticed_at    BIGINT  NOT NULL,
    state         TEXT    NOT NULL,
    environments  TEXT    NOT NULL, -- JSON ["a","b"]
    part          BIGINT  NOT NULL,
    rows_read     BIGINT  NOT NULL,
    rows_accepted BIGINT  NOT NULL,
    attempts      BIGINT  NOT NULL,
    problem       TEXT    NOT NULL,
    next_try_at   BIGINT  NOT NULL,
    started_at    BIGINT  NOT NULL,
    done_at       BIGINT  NOT NULL,
    report_id     BIGINT  NOT NULL
);
CREATE UNIQUE INDEX import_file_identity ON import_file (importer_id, object_key, version);
-- Files that were done stay for ever; what is looked for often is rare among them.
CREATE INDEX import_file_known ON import_file (importer_id, object_key, object_at, id);
CREATE INDEX import_file_page ON import_file (importer_id, state, id);
CREATE INDEX import_file_open ON import_file (importer_id, next_try_at, id) WHERE state IN ('noticed', 'running');
CREATE INDEX import_file_unreported ON import_file (importer_id, done_at, id) WHERE state = 'done' AND report_id = 0;
CREATE INDEX import_file_report ON import_file (report_id, id) WHERE report_id > 0;

CREATE TABLE status_entry (
    import_id  BIGINT  NOT NULL REFERENCES import_file (id),
    entry_id   BIGINT  NOT NULL,
    valid      BOOLEAN NOT NULL,
    row_count  BIGINT  NOT NULL,
    errors     TEXT    NOT NULL, -- JSON ["a","b"]
    details    TEXT    NOT NULL, -- JSON ["a","b"]
    warnings   TEXT    NOT NULL, -- JSON ["a","b"]
    PRIMARY KEY (import_id, entry_id)
);

CREATE TABLE report (
    id            BIGINT  NOT NULL PRIMARY KEY,
    place         TEXT    NOT NULL,
    status_prefix TEXT    NOT NULL,
    sink          TEXT    NOT NULL,
    named_at      BIGINT  NOT NULL,
    state         TEXT    NOT NULL,
    maybe_stored  BOOLEAN NOT NULL,
    attempts      BIGINT  NOT NULL,
    problem       TEXT    NOT NULL,
    next_try_at   BIGINT  NOT NULL,
    done_at       BIGINT  NOT NULL
);
CREATE UNIQUE INDEX report_key ON report (place, status_prefix, named_at);
CREATE INDEX report_page ON report (place, status_prefix, id);
CREATE INDEX report_open ON report (id) WHERE state = 'planned';
