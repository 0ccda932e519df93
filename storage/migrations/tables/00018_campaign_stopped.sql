-- +goose Up

-- A person can stop a campaign. The set of states is part of the table, which is made anew for it.
CREATE TABLE campaigns_next (
  request_id TEXT NOT NULL PRIMARY KEY REFERENCES requests (id),
  cluster TEXT NOT NULL,
  host TEXT NOT NULL CHECK (host <> ''),
  state TEXT NOT NULL CHECK (state IN ('open', 'asked', 'expired', 'stopped')),
  next_id TEXT NOT NULL DEFAULT '',
  opened BIGINT NOT NULL CHECK (opened > 0),
  CHECK (state <> 'asked' OR next_id <> '')
);
INSERT INTO campaigns_next (request_id, cluster, host, state, next_id, opened)
SELECT request_id, cluster, host, state, next_id, opened FROM campaigns;
DROP TABLE campaigns;
ALTER TABLE campaigns_next RENAME TO campaigns;
CREATE INDEX campaigns_open ON campaigns (state) WHERE state = 'open';
