-- +goose Up

-- The topic of a stream, where the log is Kafka. base is JSON [offset,...]: by how much
-- the stream's offsets are above the topic's; empty: not at all.
ALTER TABLE stream ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE stream ADD COLUMN topic_adopted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE stream ADD COLUMN topic_values TEXT NOT NULL DEFAULT '';
ALTER TABLE stream ADD COLUMN topic_invalid TEXT NOT NULL DEFAULT '';
ALTER TABLE stream ADD COLUMN topic_base TEXT NOT NULL DEFAULT '';
-- A topic is one stream's, until the log has let go of it.
CREATE UNIQUE INDEX stream_topic ON stream (topic) WHERE topic <> '' AND NOT log_dropped;

-- A process that lives until lease_until, microseconds by the database's clock.
CREATE TABLE node (
    id          TEXT   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    version     TEXT   NOT NULL,
    started_at  BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

-- owner is the node that works on a batch, empty if none; claim counts how often
-- one was chosen, and refuses what an earlier one still says.
ALTER TABLE batch ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE batch ADD COLUMN claim BIGINT NOT NULL DEFAULT 0;
CREATE INDEX batch_claimed ON batch (owner) WHERE owner <> '';
ALTER TABLE batch_object ADD COLUMN estimated BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE import_file ADD COLUMN owner TEXT NOT NULL DEFAULT '';

-- flush_to is JSON [offset,...]: everything below is to be cut now. trouble is JSON, what
-- keeps the exporter from delivering beside its batches; empty: nothing.
ALTER TABLE exporter ADD COLUMN flush_to TEXT NOT NULL DEFAULT '';
ALTER TABLE exporter ADD COLUMN trouble TEXT NOT NULL DEFAULT '';

-- Rises with every change of the configuration, so that nodes know when what they
-- remember of it is old.
INSERT INTO counter (name, value) VALUES ('configuration', 0);
-- The lowest schema version that a program must know to work with this catalog.
INSERT INTO meta (name, value) VALUES ('schema_floor', '6');
