-- +goose Up

-- Entries with names (idempotency keys, event ids, marks) on their way into Kafka.

-- A transaction whose names are taken. Open: its outcome is not noted. Void: it was aborted,
-- and its names are free. A claim that is done has no row: most names outlive it, and
-- need not be written again. parts is JSON [[stream, partition, first offset],...].
CREATE TABLE append_claim (
    id        BIGINT NOT NULL PRIMARY KEY,
    node      TEXT   NOT NULL,
    producer  TEXT   NOT NULL,
    parts     TEXT   NOT NULL,
    state     TEXT   NOT NULL,
    made_at   BIGINT NOT NULL,
    forget_at BIGINT NOT NULL -- when the last of its ids and keys has expired, in seconds
);
CREATE INDEX append_claim_state ON append_claim (state, id);

-- No index by claim: there is a row per event. Expiry in whole seconds, so that the index is small.
CREATE TABLE append_id (
    stream_id  TEXT   NOT NULL,
    id         BYTEA  NOT NULL, -- 16 bytes
    claim      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (stream_id, id)
);
CREATE INDEX append_id_expiry ON append_id (expires_at);

-- entry is the number of the entry in its claim; the rest says where it went once the claim is done.
CREATE TABLE append_key (
    stream_id  TEXT   NOT NULL,
    id         BYTEA  NOT NULL, -- 32 bytes
    claim      BIGINT NOT NULL,
    entry      BIGINT NOT NULL,
    digest     BIGINT NOT NULL,
    part       BIGINT NOT NULL,
    events     BIGINT NOT NULL,
    start_at   BIGINT NOT NULL,
    end_at     BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (stream_id, id)
);
CREATE INDEX append_key_expiry ON append_key (expires_at);
CREATE INDEX append_key_claim ON append_key (claim, entry);

-- claim is 0 unless at_next is being settled.
CREATE TABLE append_mark (
    stream_id TEXT   NOT NULL,
    mark      TEXT   NOT NULL,
    at_done   BIGINT NOT NULL,
    at_next   BIGINT NOT NULL,
    claim     BIGINT NOT NULL,
    PRIMARY KEY (stream_id, mark)
);
CREATE INDEX append_mark_claim ON append_mark (claim) WHERE claim <> 0;

INSERT INTO counter (name, value) VALUES ('append claim', 0);
