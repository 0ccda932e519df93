-- +goose Up

-- Who is the active bot of a Slack app. node is for people: the machine and the process.
CREATE TABLE bot_leases (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  owner TEXT NOT NULL,
  node TEXT NOT NULL,
  epoch BIGINT NOT NULL CHECK (epoch > 0),
  until BIGINT NOT NULL
);
