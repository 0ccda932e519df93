-- +goose Up

-- What is left of the steps of a job that ended long ago: their sums. The plan stays in the request.
CREATE TABLE job_figures (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
  tables BIGINT NOT NULL CHECK (tables > 0),
  done BIGINT NOT NULL,
  skipped BIGINT NOT NULL,
  before_bytes BIGINT NOT NULL,
  after_bytes BIGINT NOT NULL,
  took_ns BIGINT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0)
);

-- The newest progress of each running job, for processes that do not run it. A row is overwritten
-- while its job runs and removed when nobody runs it: there are never more than running jobs.
CREATE TABLE progress (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
  body TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- The processes that share this database, each under its own name of one start.
CREATE TABLE nodes (
  process TEXT NOT NULL PRIMARY KEY CHECK (process <> ''),
  name TEXT NOT NULL CHECK (name <> ''),
  roles TEXT NOT NULL,
  regions TEXT NOT NULL,
  program TEXT NOT NULL,
  running BIGINT NOT NULL,
  started BIGINT NOT NULL,
  seen BIGINT NOT NULL
);

-- Where no work is taken because a person said so: in a region, or by a node.
CREATE TABLE holds (
  kind TEXT NOT NULL CHECK (kind IN ('region', 'node')),
  name TEXT NOT NULL CHECK (name <> ''),
  by_team TEXT NOT NULL,
  by_id TEXT NOT NULL,
  by_name TEXT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0),
  PRIMARY KEY (kind, name)
);

CREATE INDEX requests_by_requester ON requests (requester_id, created);
CREATE INDEX requests_by_channel ON requests (channel, created);
CREATE INDEX requests_by_target ON requests (target, created);
CREATE INDEX requests_by_cluster ON requests (cluster, created);
CREATE INDEX requests_by_state_age ON requests (state, created);
CREATE INDEX jobs_by_cluster ON jobs (cluster, created);
CREATE INDEX jobs_by_state ON jobs (state, created);
CREATE INDEX jobs_ended ON jobs (ended, id);
CREATE INDEX settings_left ON settings (job_id) WHERE restored = 0;
CREATE INDEX discoveries_by_time ON discoveries (at DESC, request_id);
CREATE INDEX discovery_hosts_by_host ON discovery_hosts (host);
CREATE INDEX posts_by_request ON posts (request_id);
CREATE INDEX posts_by_change ON posts (updated);
CREATE INDEX inbox_handled ON inbox (handled) WHERE handled > 0;
