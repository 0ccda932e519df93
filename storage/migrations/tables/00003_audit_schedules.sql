-- +goose Up

-- The record of who asked for and decided what. Each row's hash covers its body and the hash
-- before it, so that a changed, removed or inserted row is found by reading the chain.
CREATE TABLE audit (
  seq BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
  body TEXT NOT NULL CHECK (body <> ''),
  prev TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE CHECK (LENGTH(hash) = 64)
);
INSERT INTO counters (name, value) VALUES ('audit', 0);

-- A job of a scheduled request starts at its slot and not before; 0 is at once.
ALTER TABLE requests ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0 CHECK (not_before >= 0);
ALTER TABLE jobs ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0 CHECK (not_before >= 0);

CREATE TABLE schedules (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'removed')),
  owner_id TEXT NOT NULL CHECK (owner_id <> ''),
  editor_id TEXT NOT NULL CHECK (editor_id <> ''),
  rev BIGINT NOT NULL CHECK (rev > 0),
  body TEXT NOT NULL CHECK (body <> '')
);

-- One row for each slot that was handled, whatever became of it: the key is what makes a slot
-- happen once over restarts and processes.
CREATE TABLE schedule_runs (
  schedule TEXT NOT NULL REFERENCES schedules (id),
  slot BIGINT NOT NULL CHECK (slot > 0),
  state TEXT NOT NULL CHECK (state IN ('claimed', 'looking', 'asked', 'started', 'ended', 'skipped')),
  starts BIGINT NOT NULL,
  ends BIGINT NOT NULL CHECK (ends > starts),
  look_id TEXT NOT NULL DEFAULT '',
  request_id TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  changed BIGINT NOT NULL CHECK (changed > 0),
  PRIMARY KEY (schedule, slot),
  CHECK (state NOT IN ('asked', 'started', 'ended') OR request_id <> '')
);
CREATE INDEX schedule_runs_open ON schedule_runs (state) WHERE state IN ('claimed', 'looking', 'asked', 'started');
