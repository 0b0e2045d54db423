-- +goose Up

-- Sources that speak Segment's tracking API; sinks with a prefix, an assumed role and encryption; cuts at an
-- offset from the full interval and by packed size; the day or hour of receipt of an object.

ALTER TABLE source ADD COLUMN source_id TEXT NOT NULL DEFAULT '';
ALTER TABLE source ADD COLUMN dedup_window BIGINT NOT NULL DEFAULT 0;

ALTER TABLE sink ADD COLUMN prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN role_arn TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN sts_endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN encryption TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN kms_key TEXT NOT NULL DEFAULT '';

ALTER TABLE exporter ADD COLUMN cut_offset BIGINT NOT NULL DEFAULT 0;
ALTER TABLE exporter ADD COLUMN cut_packed BIGINT NOT NULL DEFAULT 0;

ALTER TABLE batch_object ADD COLUMN received_at BIGINT NOT NULL DEFAULT 0;
