-- +goose Up

-- By which rule a request becomes approved, and what that rule rests on as JSON. origin is the stored
-- envelope a request was asked with: one that is handled again finds the request it made before.
ALTER TABLE requests ADD COLUMN rule TEXT NOT NULL DEFAULT 'review' CHECK (rule IN ('review', 'break-glass', 'standing'));
ALTER TABLE requests ADD COLUMN grounds TEXT NOT NULL DEFAULT '{}' CHECK (rule = 'review' OR grounds <> '{}');
ALTER TABLE requests ADD COLUMN origin TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX requests_by_origin ON requests (origin) WHERE origin <> '';

-- The standing approval under which a review was written without a click; empty: a person decided.
ALTER TABLE reviews ADD COLUMN standing TEXT NOT NULL DEFAULT '';

-- Standing approvals: one person's consent to every run of a schedule inside an envelope, until it
-- expires or is ended. digest is the SHA-256 of envelope.
CREATE TABLE grants (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  schedule TEXT NOT NULL REFERENCES schedules (id),
  envelope TEXT NOT NULL,
  digest TEXT NOT NULL CHECK (LENGTH(digest) = 64),
  reviewer_team TEXT NOT NULL,
  reviewer_id TEXT NOT NULL CHECK (reviewer_id <> ''),
  reviewer_name TEXT NOT NULL,
  approvers TEXT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0),
  expires BIGINT NOT NULL,
  ended BIGINT NOT NULL DEFAULT 0,
  ended_by TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL DEFAULT '',
  CHECK (expires > at)
);
CREATE UNIQUE INDEX grants_live ON grants (schedule, reviewer_id) WHERE ended = 0;
