-- +goose Up

-- What the last trial of a sink said: '', 'ok' or 'failing'; where and why it failed; when it was.

ALTER TABLE sink ADD COLUMN health_status TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN health_step TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN health_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE sink ADD COLUMN health_at BIGINT NOT NULL DEFAULT 0;
