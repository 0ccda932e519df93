-- +goose Up

-- Who may call the API. hash is the SHA-256 of the token in hex; the token itself is shown once and
-- kept nowhere. What can change something stands for a person: without a user a token only reads.
CREATE TABLE api_tokens (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  name TEXT NOT NULL CHECK (name <> ''),
  hash TEXT NOT NULL UNIQUE CHECK (LENGTH(hash) = 64),
  scopes TEXT NOT NULL CHECK (scopes <> ''),
  team TEXT NOT NULL,
  user_id TEXT NOT NULL,
  created BIGINT NOT NULL CHECK (created > 0),
  created_by TEXT NOT NULL,
  expires BIGINT NOT NULL DEFAULT 0,
  revoked BIGINT NOT NULL DEFAULT 0,
  used BIGINT NOT NULL DEFAULT 0,
  CONSTRAINT stands_for_a_person CHECK (user_id <> '' OR scopes = 'read')
);
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked = 0;

-- What a caller's Idempotency-Key made. request_id is empty while the call is being worked on.
CREATE TABLE api_keys (
  token_id TEXT NOT NULL REFERENCES api_tokens (id),
  key TEXT NOT NULL CHECK (key <> ''),
  fingerprint TEXT NOT NULL,
  request_id TEXT NOT NULL DEFAULT '',
  at BIGINT NOT NULL CHECK (at > 0),
  PRIMARY KEY (token_id, key)
);
CREATE INDEX api_keys_by_age ON api_keys (at);
CREATE INDEX jobs_by_age ON jobs (created);
