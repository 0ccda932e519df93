-- +goose Up

-- Who wants a table of a live job left alone, by name; empty: nobody. An ended step does not change,
-- so that a wish comes too late for it.
ALTER TABLE steps ADD COLUMN skip_by TEXT NOT NULL DEFAULT '';
