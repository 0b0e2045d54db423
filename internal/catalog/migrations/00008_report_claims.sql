-- +goose Up

-- The node that works on a report, empty if none. As with files, each attempt has a number
-- of its own, and news of an earlier one than the newest is refused.
ALTER TABLE report ADD COLUMN owner TEXT NOT NULL DEFAULT '';
