-- +goose Up

-- The cluster's id of the stream's topic, so that a topic made anew under its name is not
-- taken for it. Empty: not known, and not checked.
ALTER TABLE stream ADD COLUMN topic_id TEXT NOT NULL DEFAULT '';
