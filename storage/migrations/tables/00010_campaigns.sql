-- +goose Up

-- Runs over a cluster whose replicas are done and whose primary waits for a switchover. next_id is
-- stored before the request of that name is made, so that it is made once.
CREATE TABLE campaigns (
  request_id TEXT NOT NULL PRIMARY KEY REFERENCES requests (id),
  cluster TEXT NOT NULL,
  host TEXT NOT NULL CHECK (host <> ''),
  state TEXT NOT NULL CHECK (state IN ('open', 'asked', 'expired')),
  next_id TEXT NOT NULL DEFAULT '',
  opened BIGINT NOT NULL CHECK (opened > 0),
  CHECK (state <> 'asked' OR next_id <> '')
);
CREATE INDEX campaigns_open ON campaigns (state) WHERE state = 'open';
