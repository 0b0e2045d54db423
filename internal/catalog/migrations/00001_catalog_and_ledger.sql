-- +goose Up

-- Types are those that SQLite and PostgreSQL both take. Instants are UTC
-- microseconds since 1970 (0: none), durations nanoseconds. Columns that hold
-- JSON say so; the forms are in docs/design/0003-catalog-and-ledger.md.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- A deleted stream stays as a row: its id is never used twice, and until its
-- log is gone log_dropped tells the next start what is left to do.
CREATE TABLE stream (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    partitions  BIGINT  NOT NULL,
    strm_meta   BOOLEAN NOT NULL,
    description TEXT    NOT NULL,
    tags        TEXT    NOT NULL, -- JSON ["a","b"]
    max_age     BIGINT  NOT NULL,
    max_bytes   BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL,
    deleted_at  BIGINT  NOT NULL DEFAULT 0,
    log_dropped BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE UNIQUE INDEX stream_name ON stream (name) WHERE deleted_at = 0;

CREATE TABLE source (
    name       TEXT   NOT NULL PRIMARY KEY,
    stream_id  TEXT   NOT NULL REFERENCES stream (id),
    kind       TEXT   NOT NULL,
    key_hash   TEXT   NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX source_key_hash ON source (key_hash);
CREATE INDEX source_stream ON source (stream_id);

CREATE TABLE sink (
    name         TEXT    NOT NULL PRIMARY KEY,
    sink_type    TEXT    NOT NULL,
    bucket       TEXT    NOT NULL,
    endpoint     TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    path_style   BOOLEAN NOT NULL,
    credentials  BYTEA   NOT NULL,
    shape        TEXT    NOT NULL,
    principal    TEXT    NOT NULL,
    revision     BIGINT  NOT NULL,
    found_region TEXT    NOT NULL,
    conditional  TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);

-- sink is the sink's name and no foreign key: a deleted exporter stays as a
-- row, with its batches, after its sink is gone.
CREATE TABLE exporter (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    stream_id     TEXT    NOT NULL REFERENCES stream (id),
    sink          TEXT    NOT NULL,
    cut_interval  BIGINT  NOT NULL,
    cut_bytes     BIGINT  NOT NULL,
    cut_events    BIGINT  NOT NULL,
    output        TEXT    NOT NULL, -- JSON {"pathPrefix":...}
    paused        BOOLEAN NOT NULL,
    test_id       TEXT    NOT NULL,
    start_at      TEXT    NOT NULL, -- JSON [offset,...] by partition
    next_at       TEXT    NOT NULL, -- JSON [offset,...] by partition
    last_seq      BIGINT  NOT NULL,
    from_start    BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL,
    deleted_at    BIGINT  NOT NULL DEFAULT 0,
    done_batches  BIGINT  NOT NULL DEFAULT 0,
    done_events   BIGINT  NOT NULL DEFAULT 0,
    done_bytes    BIGINT  NOT NULL DEFAULT 0,
    last_done_at  BIGINT  NOT NULL DEFAULT 0,
    replay_batches BIGINT NOT NULL DEFAULT 0,
    replay_events  BIGINT NOT NULL DEFAULT 0,
    replay_bytes   BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX exporter_name ON exporter (stream_id, name) WHERE deleted_at = 0;
CREATE INDEX exporter_sink ON exporter (sink) WHERE deleted_at = 0;

-- place is where the sink wrote to when the batch was planned: its type,
-- endpoint and bucket. It stays, whatever becomes of the sink or the batch.
CREATE TABLE batch (
    exporter_id   TEXT    NOT NULL REFERENCES exporter (id),
    seq           BIGINT  NOT NULL,
    stream        TEXT    NOT NULL,
    sink          TEXT    NOT NULL,
    place         TEXT    NOT NULL,
    replay        TEXT    NOT NULL,
    reason        TEXT    NOT NULL,
    cut_at        BIGINT  NOT NULL,
    output        TEXT    NOT NULL, -- JSON, as in exporter
    encoder       TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    attempts      BIGINT  NOT NULL,
    problem       TEXT    NOT NULL,
    blocked       BOOLEAN NOT NULL,
    next_retry_at BIGINT  NOT NULL,
    planned_at    BIGINT  NOT NULL,
    attempted_at  BIGINT  NOT NULL,
    done_at       BIGINT  NOT NULL,
    PRIMARY KEY (exporter_id, seq)
);
-- Done batches stay for ever; what is looked for often is rare among them.
-- state is also a column of the index: with one more equality to offer it is
-- always chosen over the primary key, whatever the statistics say.
CREATE INDEX batch_unfinished ON batch (exporter_id, seq) WHERE state IN ('planned', 'attempted');
CREATE INDEX batch_abandoned ON batch (exporter_id, state, seq) WHERE state = 'abandoned';
CREATE INDEX batch_replay ON batch (exporter_id, replay, seq) WHERE replay <> '';

-- bucket is the batch's place while the plan claims its keys there. It is empty
-- once the plan is abandoned, which frees them.
CREATE TABLE batch_object (
    exporter_id  TEXT    NOT NULL,
    seq          BIGINT  NOT NULL,
    num          BIGINT  NOT NULL,
    bucket       TEXT    NOT NULL,
    object_key   TEXT    NOT NULL,
    ranges       TEXT    NOT NULL, -- JSON [[partition,start,end],...]
    events       BIGINT  NOT NULL,
    maybe_stored BOOLEAN NOT NULL,
    stored       BOOLEAN NOT NULL,
    bytes        BIGINT  NOT NULL,
    crc32        BIGINT  NOT NULL,
    PRIMARY KEY (exporter_id, seq, num),
    FOREIGN KEY (exporter_id, seq) REFERENCES batch (exporter_id, seq)
);
CREATE UNIQUE INDEX batch_object_key ON batch_object (bucket, object_key) WHERE bucket <> '';
