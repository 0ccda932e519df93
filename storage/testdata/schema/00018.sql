-- A database of schema 18, as its program left it.
PRAGMA foreign_keys = 0;
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
CREATE TABLE schema_history (
  version BIGINT NOT NULL PRIMARY KEY,
  program TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE TABLE counters (
  name TEXT NOT NULL PRIMARY KEY,
  value BIGINT NOT NULL
);
CREATE TABLE requests (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  kind TEXT NOT NULL CHECK (kind IN ('discover', 'recycle')),
  cluster TEXT NOT NULL,
  target TEXT NOT NULL CHECK (target <> ''),
  command TEXT NOT NULL,
  requester_team TEXT NOT NULL,
  requester_id TEXT NOT NULL CHECK (requester_id <> ''),
  requester_name TEXT NOT NULL,
  barred TEXT NOT NULL,
  channel TEXT NOT NULL,
  plan TEXT,
  digest TEXT NOT NULL,
  min_approvals BIGINT NOT NULL CHECK (min_approvals BETWEEN 1 AND 10),
  state TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'denied', 'expired', 'withdrawn', 'superseded')),
  created BIGINT NOT NULL CHECK (created > 0),
  expires BIGINT NOT NULL,
  decided BIGINT NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '', not_before BIGINT NOT NULL DEFAULT 0 CHECK (not_before >= 0), rule TEXT NOT NULL DEFAULT 'review' CHECK (rule IN ('review', 'break-glass', 'standing')), grounds TEXT NOT NULL DEFAULT '{}' CHECK (rule = 'review' OR grounds <> '{}'), origin TEXT NOT NULL DEFAULT '', summary TEXT NOT NULL DEFAULT '',
  CHECK (expires > created),
  CHECK ((state = 'pending') = (decided = 0)),
  CHECK ((kind = 'recycle') = (plan IS NOT NULL)),
  CHECK (kind <> 'recycle' OR digest <> ''),
  UNIQUE (id, state),
  UNIQUE (id, kind, digest),
  UNIQUE (id, requester_id, digest)
);
CREATE TABLE reviews (
  request_id TEXT NOT NULL,
  requester_id TEXT NOT NULL,
  digest TEXT NOT NULL,
  reviewer_team TEXT NOT NULL,
  reviewer_id TEXT NOT NULL CHECK (reviewer_id <> ''),
  reviewer_name TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'deny')),
  comment TEXT NOT NULL,
  approvers TEXT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0), standing TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (request_id, reviewer_id),
  CONSTRAINT second_person CHECK (reviewer_id <> requester_id),
  FOREIGN KEY (request_id, requester_id, digest) REFERENCES requests (id, requester_id, digest)
);
CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  request_id TEXT NOT NULL,
  request_state TEXT NOT NULL DEFAULT 'approved' CHECK (request_state = 'approved'),
  kind TEXT NOT NULL CHECK (kind IN ('discover', 'recycle')),
  cluster TEXT NOT NULL,
  host TEXT NOT NULL CHECK (host <> ''),
  region TEXT NOT NULL,
  digest TEXT NOT NULL,
  plan TEXT,
  state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled', 'refused')),
  wanted TEXT NOT NULL CHECK (wanted IN ('run', 'pause', 'pause_now', 'cancel')),
  reason TEXT NOT NULL DEFAULT '',
  engine_id BIGINT NOT NULL DEFAULT 0,
  created BIGINT NOT NULL CHECK (created > 0),
  started BIGINT NOT NULL DEFAULT 0,
  ended BIGINT NOT NULL DEFAULT 0, not_before BIGINT NOT NULL DEFAULT 0 CHECK (not_before >= 0),
  CHECK (state NOT IN ('running', 'succeeded') OR started > 0),
  CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'refused')) = (ended > 0)),
  CHECK ((kind = 'recycle') = (plan IS NOT NULL)),
  FOREIGN KEY (request_id, request_state) REFERENCES requests (id, state) DEFERRABLE INITIALLY DEFERRED,
  FOREIGN KEY (request_id, kind, digest) REFERENCES requests (id, kind, digest)
);
CREATE TABLE steps (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  seq BIGINT NOT NULL,
  plan TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'skipped', 'failed', 'refused', 'unknown')),
  mark TEXT NOT NULL DEFAULT '',
  before_bytes BIGINT NOT NULL DEFAULT 0,
  after_bytes BIGINT NOT NULL DEFAULT 0,
  took_ns BIGINT NOT NULL DEFAULT 0,
  runs BIGINT NOT NULL DEFAULT 0 CHECK (runs >= 0),
  reason TEXT NOT NULL DEFAULT '',
  outcome TEXT NOT NULL DEFAULT '' CHECK (outcome IN ('', 'done', 'adopted', 'killed', 'failed', 'unknown')),
  started BIGINT NOT NULL DEFAULT 0,
  ended BIGINT NOT NULL DEFAULT 0, skip_by TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (job_id, seq),
  CHECK (state NOT IN ('running', 'done') OR started > 0),
  CHECK ((state IN ('done', 'skipped', 'failed', 'refused', 'unknown')) = (ended > 0)),
  CHECK (outcome NOT IN ('done', 'adopted') OR state IN ('running', 'done'))
);
CREATE TABLE settings (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  name TEXT NOT NULL,
  before_value TEXT NOT NULL,
  after_value TEXT NOT NULL,
  changed BIGINT NOT NULL CHECK (changed > 0),
  restored BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (job_id, name)
);
CREATE TABLE leases (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
  owner TEXT NOT NULL,
  epoch BIGINT NOT NULL CHECK (epoch > 0),
  until BIGINT NOT NULL
);
CREATE TABLE events (
  seq BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
  at BIGINT NOT NULL CHECK (at > 0),
  kind TEXT NOT NULL CHECK (kind <> ''),
  request_id TEXT NOT NULL,
  job_id TEXT NOT NULL,
  step BIGINT NOT NULL,
  actor TEXT NOT NULL,
  data TEXT NOT NULL
);
CREATE TABLE discoveries (
  request_id TEXT NOT NULL PRIMARY KEY REFERENCES requests (id),
  job_id TEXT NOT NULL REFERENCES jobs (id),
  cluster TEXT NOT NULL,
  target TEXT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0),
  body TEXT NOT NULL
);
CREATE TABLE discovery_hosts (
  request_id TEXT NOT NULL REFERENCES discoveries (request_id),
  host TEXT NOT NULL,
  PRIMARY KEY (request_id, host)
);
CREATE TABLE cursors (
  reader TEXT NOT NULL PRIMARY KEY CHECK (reader <> ''),
  seq BIGINT NOT NULL CHECK (seq >= 0)
);
CREATE TABLE posts (
  key TEXT NOT NULL PRIMARY KEY CHECK (key <> ''),
  ord BIGINT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  channel TEXT NOT NULL,
  parent TEXT NOT NULL CHECK (parent <> key),
  body TEXT NOT NULL,
  routine BIGINT NOT NULL CHECK (routine IN (0, 1)),
  told BIGINT NOT NULL,
  rev BIGINT NOT NULL CHECK (rev > 0),
  sent_rev BIGINT NOT NULL DEFAULT 0,
  sent_channel TEXT NOT NULL DEFAULT '',
  ts TEXT NOT NULL DEFAULT '',
  attempts BIGINT NOT NULL DEFAULT 0,
  next_at BIGINT NOT NULL DEFAULT 0,
  gave_up BIGINT NOT NULL DEFAULT 0 CHECK (gave_up IN (0, 1)),
  reason TEXT NOT NULL DEFAULT '',
  updated BIGINT NOT NULL,
  CHECK (sent_rev BETWEEN 0 AND rev),
  CHECK ((sent_rev > 0) = (ts <> ''))
);
CREATE TABLE inbox (
  key TEXT NOT NULL PRIMARY KEY CHECK (key <> ''),
  ord BIGINT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  payload TEXT NOT NULL,
  at BIGINT NOT NULL CHECK (at > 0),
  handled BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE audit (
  seq BIGINT NOT NULL PRIMARY KEY CHECK (seq > 0),
  body TEXT NOT NULL CHECK (body <> ''),
  prev TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE CHECK (LENGTH(hash) = 64)
);
CREATE TABLE schedules (
  id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''),
  state TEXT NOT NULL CHECK (state IN ('active', 'paused', 'removed')),
  owner_id TEXT NOT NULL CHECK (owner_id <> ''),
  editor_id TEXT NOT NULL CHECK (editor_id <> ''),
  rev BIGINT NOT NULL CHECK (rev > 0),
  body TEXT NOT NULL CHECK (body <> '')
);
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
CREATE TABLE api_keys (
  token_id TEXT NOT NULL REFERENCES api_tokens (id),
  key TEXT NOT NULL CHECK (key <> ''),
  fingerprint TEXT NOT NULL,
  request_id TEXT NOT NULL DEFAULT '',
  at BIGINT NOT NULL CHECK (at > 0),
  PRIMARY KEY (token_id, key)
);
CREATE TABLE bot_leases (
  name TEXT NOT NULL PRIMARY KEY CHECK (name <> ''),
  owner TEXT NOT NULL,
  node TEXT NOT NULL,
  epoch BIGINT NOT NULL CHECK (epoch > 0),
  until BIGINT NOT NULL
);
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
CREATE TABLE progress (
  job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id),
  body TEXT NOT NULL,
  at BIGINT NOT NULL
);
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
CREATE TABLE freed (
  job_id TEXT NOT NULL REFERENCES jobs (id),
  day BIGINT NOT NULL,
  cluster TEXT NOT NULL,
  tables BIGINT NOT NULL CHECK (tables > 0),
  bytes BIGINT NOT NULL,
  PRIMARY KEY (job_id, day)
);
CREATE TABLE "campaigns" (
  request_id TEXT NOT NULL PRIMARY KEY REFERENCES requests (id),
  cluster TEXT NOT NULL,
  host TEXT NOT NULL CHECK (host <> ''),
  state TEXT NOT NULL CHECK (state IN ('open', 'asked', 'expired', 'stopped')),
  next_id TEXT NOT NULL DEFAULT '',
  opened BIGINT NOT NULL CHECK (opened > 0),
  CHECK (state <> 'asked' OR next_id <> '')
);
INSERT INTO goose_db_version VALUES (1, 0, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (3, 2, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (4, 3, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (5, 4, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (6, 5, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (7, 6, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (8, 7, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (9, 9, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (10, 10, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (11, 12, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (12, 13, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (13, 15, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (14, 16, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (15, 17, 1, '2026-11-30 09:24:12');
INSERT INTO goose_db_version VALUES (16, 18, 1, '2026-11-30 09:24:12');
INSERT INTO schema_history VALUES (18, 'v0.1.0', 1767312000000);
INSERT INTO counters VALUES ('events', 2);
INSERT INTO counters VALUES ('posts', 1);
INSERT INTO counters VALUES ('inbox', 1);
INSERT INTO counters VALUES ('audit', 1);
INSERT INTO requests VALUES ('R-OLD', 'recycle', 'shop', 'db-1', 'run db-1', 'T', 'U1', 'alice', '[{"id":"UX"}]', 'C1', '{"cluster":"shop","hosts":[{"name":"db-1"}]}', 'd', 1, 'approved', 1767312000000, 1767315600000, 1767312060000, '', 0, 'review', '{}', '', '');
INSERT INTO requests VALUES ('R-ASK', 'discover', 'shop', 'db-2', 'discover db-2', 'T', 'U1', 'alice', '[]', 'C1', NULL, 'e', 1, 'pending', 1767312000000, 4767315600000, 0, '', 0, 'review', '{}', '', '');
INSERT INTO requests VALUES ('R-SUM', 'recycle', 'shop', 'db-3', 'run db-3', 'T', 'U1', 'alice', '[]', 'C1', '{"cluster":"shop","hosts":[{"name":"db-3"}]}', 'f', 1, 'approved', 1767312000000, 1767315600000, 1767312060000, '', 0, 'review', '{}', '', '');
INSERT INTO reviews VALUES ('R-OLD', 'U1', 'd', 'T1', 'UBOB', 'bob', 'approve', 'fine', '["UBOB"]', 1767312060000, '');
INSERT INTO reviews VALUES ('R-SUM', 'U1', 'f', 'T1', 'UBOB', 'bob', 'approve', '', '["UBOB"]', 1767312060000, '');
INSERT INTO jobs VALUES ('R-OLD', 'R-OLD', 'approved', 'recycle', 'shop', 'db-1', 'eu', 'd', '{"cluster":"shop","hosts":[{"name":"db-1"}]}', 'running', 'run', '', 0, 1767312060000, 1767312061000, 0, 0);
INSERT INTO jobs VALUES ('R-SUM', 'R-SUM', 'approved', 'recycle', 'shop', 'db-3', 'eu', 'f', '{"cluster":"shop","hosts":[{"name":"db-3"}]}', 'succeeded', 'run', '', 0, 1767312060000, 1767312061000, 1767312065000, 0);
INSERT INTO steps VALUES ('R-OLD', 1, '{"seq":1,"schema":"shop","table":"orders"}', 'done', '{"before_bytes":900}', 900, 500, 5, 1, '', 'done', 1767312063000, 1767312064000, '');
INSERT INTO steps VALUES ('R-OLD', 2, '{"seq":2,"schema":"shop","table":"carts"}', 'pending', '', 0, 0, 0, 0, '', '', 0, 0, 'carol');
INSERT INTO settings VALUES ('R-OLD', 'super_read_only', 'ON', 'OFF', 1767312062000, 0);
INSERT INTO leases VALUES ('R-OLD', 'w', 3, 1767312090000);
INSERT INTO events VALUES (1, 1767312000000, 'request.created', 'R-OLD', '', 0, 'U1', '{"kind":"recycle"}');
INSERT INTO events VALUES (2, 1767312060000, 'request.approved', 'R-OLD', '', 0, 'UBOB', '');
INSERT INTO discoveries VALUES ('R-OLD', 'R-OLD', 'shop', 'db-1', 1767312000000, '{"id":"R-OLD"}');
INSERT INTO discovery_hosts VALUES ('R-OLD', 'db-1');
INSERT INTO cursors VALUES ('teller', 2);
INSERT INTO posts VALUES ('R-OLD/card', 1, 'R-OLD', 'C1', '', '{}', 0, 2, 3, 3, 'C1', '1.5', 0, 0, 0, '', 1767312060000);
INSERT INTO inbox VALUES ('k', 1, 'slash_commands', 'text=run', 1767312000000, 1767312000001);
INSERT INTO audit VALUES (1, '{}', '', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa');
INSERT INTO schedules VALUES ('S-1', 'active', 'U1', 'U1', 1, '{"id":"S-1"}');
INSERT INTO schedule_runs VALUES ('S-1', 1767312000000, 'skipped', 1, 2, '', '', '', 1);
INSERT INTO api_tokens VALUES ('K-1', 'ci', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'read', '', '', 1767312000000, 'root', 0, 0, 0);
INSERT INTO api_keys VALUES ('K-1', 'k', 'f', '', 1767312000000);
INSERT INTO bot_leases VALUES ('bot:x', '', 'h/1', 4, 0);
INSERT INTO grants VALUES ('G-1', 'S-1', '{}', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'T1', 'UBOB', 'bob', '["UBOB"]', 1767312000000, 4767315600000, 0, '', '');
INSERT INTO job_figures VALUES ('R-SUM', 1, 1, 0, 900, 500, 5, 1777312000000);
INSERT INTO progress VALUES ('R-OLD', '{}', 1767312064000);
INSERT INTO nodes VALUES ('p', 'n-1', 'bot,worker', 'eu', 'v0.1.0', 1, 1767312000000, 1767312064000);
INSERT INTO holds VALUES ('region', 'us', 'T1', 'UBOB', 'bob', 'upgrade', 1767312064000);
INSERT INTO freed VALUES ('R-OLD', 20455, 'shop', 1, 400);
INSERT INTO freed VALUES ('R-SUM', 20455, 'shop', 1, 400);
INSERT INTO campaigns VALUES ('R-OLD', 'shop', 'db-0', 'stopped', 'R-NEXT', 1767312070000);
CREATE INDEX requests_by_state ON requests (state, expires);
CREATE INDEX requests_by_age ON requests (created);
CREATE UNIQUE INDEX jobs_live_host ON jobs (kind, host) WHERE state IN ('queued', 'running', 'paused');
CREATE INDEX jobs_by_request ON jobs (request_id);
CREATE INDEX jobs_by_host ON jobs (host, created);
CREATE INDEX events_by_request ON events (request_id, seq);
CREATE INDEX discoveries_by_age ON discoveries (cluster, at);
CREATE INDEX posts_unsent ON posts (ord) WHERE sent_rev < rev AND gave_up = 0;
CREATE INDEX posts_by_parent ON posts (parent);
CREATE INDEX inbox_pending ON inbox (ord) WHERE handled = 0;
CREATE TRIGGER requests_born BEFORE INSERT ON requests
WHEN NEW.state <> 'pending'
BEGIN
  SELECT RAISE(ABORT, 'a request is born pending');
END;
CREATE TRIGGER requests_final BEFORE UPDATE ON requests
WHEN OLD.state <> 'pending'
BEGIN
  SELECT RAISE(ABORT, 'a decided request does not change');
END;
CREATE TRIGGER requests_frozen BEFORE UPDATE OF id, kind, cluster, target, command, requester_team, requester_id, barred, channel, plan, digest, min_approvals, created, expires ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
CREATE TRIGGER requests_approved BEFORE UPDATE OF state ON requests
WHEN NEW.state = 'approved'
BEGIN
  SELECT RAISE(ABORT, 'a request is approved by enough other people, none against, with its jobs')
  WHERE (SELECT COUNT(*) FROM reviews v WHERE v.request_id = NEW.id AND v.digest = NEW.digest AND v.decision = 'approve') < NEW.min_approvals
     OR EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny')
     OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = NEW.id);
END;
CREATE TRIGGER requests_denied BEFORE UPDATE OF state ON requests
WHEN NEW.state = 'denied'
BEGIN
  SELECT RAISE(ABORT, 'a request is denied by a review')
  WHERE NOT EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny');
END;
CREATE TRIGGER requests_kept BEFORE DELETE ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests are kept');
END;
CREATE TRIGGER reviews_born BEFORE INSERT ON reviews
BEGIN
  SELECT RAISE(ABORT, 'a review needs a pending request in time, and a person who is not barred')
  WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND NEW.at < r.expires)
     OR EXISTS (SELECT 1 FROM requests r, json_each(r.barred) b
                WHERE r.id = NEW.request_id AND json_extract(b.value, '$.id') = NEW.reviewer_id);
END;
CREATE TRIGGER reviews_frozen BEFORE UPDATE ON reviews
BEGIN
  SELECT RAISE(ABORT, 'a review does not change');
END;
CREATE TRIGGER reviews_kept BEFORE DELETE ON reviews
BEGIN
  SELECT RAISE(ABORT, 'reviews are kept');
END;
CREATE TRIGGER jobs_born BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'a job is born queued, in the transaction that approves its request')
  WHERE NEW.state <> 'queued' OR NEW.wanted <> 'run'
     OR NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND r.min_approvals <=
          (SELECT COUNT(*) FROM reviews v WHERE v.request_id = r.id AND v.digest = r.digest AND v.decision = 'approve'));
END;
CREATE TRIGGER jobs_final BEFORE UPDATE OF state, wanted, reason, started, ended ON jobs
WHEN OLD.state IN ('succeeded', 'failed', 'cancelled', 'refused')
BEGIN
  SELECT RAISE(ABORT, 'an ended job does not change');
END;
CREATE TRIGGER jobs_frozen BEFORE UPDATE OF id, request_id, request_state, kind, cluster, host, region, digest, plan, created ON jobs
BEGIN
  SELECT RAISE(ABORT, 'what a job does is frozen');
END;
CREATE TRIGGER jobs_forward BEFORE UPDATE OF state ON jobs
WHEN (NEW.state = 'queued' AND OLD.state <> 'queued') OR (NEW.state = 'succeeded' AND OLD.state = 'queued')
BEGIN
  SELECT RAISE(ABORT, 'a job does not go back to the queue, nor succeed before it ran');
END;
CREATE TRIGGER jobs_succeeded BEFORE UPDATE OF state ON jobs
WHEN NEW.state = 'succeeded'
BEGIN
  SELECT RAISE(ABORT, 'a job succeeds when every step is done or skipped')
  WHERE EXISTS (SELECT 1 FROM steps s WHERE s.job_id = NEW.id AND s.state NOT IN ('done', 'skipped'));
END;
CREATE TRIGGER jobs_cancel BEFORE UPDATE OF wanted ON jobs
WHEN OLD.wanted = 'cancel' AND NEW.wanted <> 'cancel'
BEGIN
  SELECT RAISE(ABORT, 'a cancelled job is not revived');
END;
CREATE TRIGGER jobs_kept BEFORE DELETE ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs are kept');
END;
CREATE TRIGGER steps_born BEFORE INSERT ON steps
BEGIN
  SELECT RAISE(ABORT, 'a step is born pending, with its job')
  WHERE NEW.state <> 'pending' OR NOT EXISTS (SELECT 1 FROM jobs j JOIN requests r ON r.id = j.request_id
       WHERE j.id = NEW.job_id AND j.state = 'queued' AND r.state = 'pending');
END;
CREATE TRIGGER steps_final BEFORE UPDATE ON steps
WHEN OLD.state IN ('done', 'skipped', 'failed', 'refused', 'unknown')
BEGIN
  SELECT RAISE(ABORT, 'an ended step does not change');
END;
CREATE TRIGGER steps_frozen BEFORE UPDATE OF job_id, seq, plan ON steps
BEGIN
  SELECT RAISE(ABORT, 'what a step does is frozen');
END;
CREATE TRIGGER steps_running BEFORE UPDATE OF state ON steps
WHEN NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  SELECT RAISE(ABORT, 'a step starts only while its job runs')
  WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = NEW.job_id AND j.state = 'running');
END;
CREATE TRIGGER leases_forward BEFORE UPDATE ON leases
WHEN NEW.epoch < OLD.epoch OR NEW.job_id <> OLD.job_id OR (NEW.epoch = OLD.epoch AND NEW.owner <> OLD.owner AND NEW.owner <> '')
BEGIN
  SELECT RAISE(ABORT, 'a new owner needs a new epoch');
END;
CREATE TRIGGER leases_kept BEFORE DELETE ON leases
BEGIN
  SELECT RAISE(ABORT, 'leases are kept, their epochs must not start again');
END;
CREATE TRIGGER events_frozen BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'the event log is append only');
END;
CREATE TRIGGER events_next BEFORE INSERT ON events
BEGIN
  SELECT RAISE(ABORT, 'events are numbered without gaps')
  WHERE NEW.seq <> COALESCE((SELECT MAX(seq) FROM events), 0) + 1;
END;
CREATE TRIGGER cursors_forward BEFORE UPDATE ON cursors
WHEN NEW.seq < OLD.seq
BEGIN
  SELECT RAISE(ABORT, 'a cursor does not go back');
END;
CREATE TRIGGER posts_sent BEFORE UPDATE ON posts
WHEN NEW.rev < OLD.rev OR NEW.sent_rev < OLD.sent_rev OR (OLD.ts <> '' AND NEW.ts <> OLD.ts)
BEGIN
  SELECT RAISE(ABORT, 'a message that was sent stays where it is');
END;
CREATE TRIGGER settings_before BEFORE UPDATE ON settings
WHEN OLD.restored = 0 AND NEW.before_value <> OLD.before_value
BEGIN
  SELECT RAISE(ABORT, 'the value to put back does not change before it is put back');
END;
CREATE TRIGGER requests_once BEFORE INSERT ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM requests WHERE id = NEW.id);
END;
CREATE TRIGGER reviews_once BEFORE INSERT ON reviews
BEGIN
  SELECT RAISE(ABORT, 'reviews rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM reviews WHERE request_id = NEW.request_id AND reviewer_id = NEW.reviewer_id);
END;
CREATE TRIGGER jobs_once BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM jobs WHERE id = NEW.id);
END;
CREATE TRIGGER leases_once BEFORE INSERT ON leases
BEGIN
  SELECT RAISE(ABORT, 'leases rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM leases WHERE job_id = NEW.job_id);
END;
CREATE TRIGGER settings_once BEFORE INSERT ON settings
BEGIN
  SELECT RAISE(ABORT, 'settings rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM settings WHERE job_id = NEW.job_id AND name = NEW.name);
END;
CREATE TRIGGER cursors_once BEFORE INSERT ON cursors
BEGIN
  SELECT RAISE(ABORT, 'cursors rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM cursors WHERE reader = NEW.reader);
END;
CREATE TRIGGER posts_once BEFORE INSERT ON posts
BEGIN
  SELECT RAISE(ABORT, 'posts rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM posts WHERE key = NEW.key);
END;
CREATE INDEX schedule_runs_open ON schedule_runs (state) WHERE state IN ('claimed', 'looking', 'asked', 'started');
CREATE TRIGGER audit_frozen BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain is append only');
END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain is append only');
END;
CREATE TRIGGER audit_next BEFORE INSERT ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain has no gaps and no forks')
  WHERE NEW.seq <> COALESCE((SELECT MAX(seq) FROM audit), 0) + 1
     OR NEW.prev <> COALESCE((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '');
END;
CREATE TRIGGER requests_start BEFORE UPDATE OF not_before ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
CREATE TRIGGER jobs_start BEFORE UPDATE OF not_before ON jobs
BEGIN
  SELECT RAISE(ABORT, 'what a job does is frozen');
END;
CREATE TRIGGER jobs_start_born BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'a job starts when its request says')
  WHERE NEW.not_before <> COALESCE((SELECT not_before FROM requests WHERE id = NEW.request_id), 0);
END;
CREATE TRIGGER schedules_kept BEFORE DELETE ON schedules
BEGIN
  SELECT RAISE(ABORT, 'schedules are kept');
END;
CREATE TRIGGER schedules_forward BEFORE UPDATE ON schedules
WHEN NEW.rev <> OLD.rev + 1 OR NEW.owner_id <> OLD.owner_id OR OLD.state = 'removed'
BEGIN
  SELECT RAISE(ABORT, 'a schedule changes by one revision, keeps its author, and stays removed');
END;
CREATE TRIGGER schedule_runs_kept BEFORE DELETE ON schedule_runs
BEGIN
  SELECT RAISE(ABORT, 'handled slots are kept');
END;
CREATE TRIGGER schedule_runs_final BEFORE UPDATE ON schedule_runs
WHEN OLD.state IN ('ended', 'skipped') OR NEW.schedule <> OLD.schedule OR NEW.slot <> OLD.slot
BEGIN
  SELECT RAISE(ABORT, 'a handled slot does not change');
END;
CREATE TRIGGER schedules_once BEFORE INSERT ON schedules
BEGIN
  SELECT RAISE(ABORT, 'schedules rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM schedules WHERE id = NEW.id);
END;
CREATE TRIGGER schedule_runs_once BEFORE INSERT ON schedule_runs
BEGIN
  SELECT RAISE(ABORT, 'schedule_runs rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM schedule_runs WHERE schedule = NEW.schedule AND slot = NEW.slot);
END;
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (name) WHERE revoked = 0;
CREATE INDEX api_keys_by_age ON api_keys (at);
CREATE INDEX jobs_by_age ON jobs (created);
CREATE TRIGGER api_tokens_frozen BEFORE UPDATE OF id, name, hash, scopes, team, user_id, created, created_by, expires ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'a token does not change; make another');
END;
CREATE TRIGGER api_tokens_revoked BEFORE UPDATE OF revoked ON api_tokens
WHEN OLD.revoked <> 0
BEGIN
  SELECT RAISE(ABORT, 'a revoked token stays revoked');
END;
CREATE TRIGGER api_tokens_kept BEFORE DELETE ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'tokens are kept');
END;
CREATE TRIGGER api_tokens_once BEFORE INSERT ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'api_tokens rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM api_tokens WHERE id = NEW.id OR hash = NEW.hash);
END;
CREATE UNIQUE INDEX requests_by_origin ON requests (origin) WHERE origin <> '';
CREATE UNIQUE INDEX grants_live ON grants (schedule, reviewer_id) WHERE ended = 0;
CREATE TRIGGER requests_rule BEFORE UPDATE OF rule, grounds, origin ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
CREATE TRIGGER reviews_standing BEFORE INSERT ON reviews
WHEN NEW.standing <> ''
BEGIN
  SELECT RAISE(ABORT, 'a standing approval counts for its person and schedule, while it lives')
  WHERE NEW.decision <> 'approve' OR NOT EXISTS (
    SELECT 1 FROM grants g JOIN requests r ON r.id = NEW.request_id
    WHERE g.id = NEW.standing AND g.ended = 0 AND NEW.at < g.expires AND g.reviewer_id = NEW.reviewer_id
      AND r.rule = 'standing' AND r.requester_id = 'schedule:' || g.schedule);
END;
CREATE TRIGGER grants_born BEFORE INSERT ON grants
BEGIN
  SELECT RAISE(ABORT, 'a standing approval is a second person''s, and is not replaced')
  WHERE NEW.ended <> 0
     OR EXISTS (SELECT 1 FROM schedules s WHERE s.id = NEW.schedule AND (s.state = 'removed' OR s.owner_id = NEW.reviewer_id OR s.editor_id = NEW.reviewer_id))
     OR EXISTS (SELECT 1 FROM grants g WHERE g.id = NEW.id OR (g.schedule = NEW.schedule AND g.reviewer_id = NEW.reviewer_id AND g.ended = 0));
END;
CREATE TRIGGER grants_frozen BEFORE UPDATE OF id, schedule, envelope, digest, reviewer_team, reviewer_id, reviewer_name, approvers, at, expires ON grants
BEGIN
  SELECT RAISE(ABORT, 'a standing approval does not change; it can be ended');
END;
CREATE TRIGGER grants_ended BEFORE UPDATE ON grants
WHEN OLD.ended <> 0
BEGIN
  SELECT RAISE(ABORT, 'an ended standing approval stays ended');
END;
CREATE TRIGGER grants_kept BEFORE DELETE ON grants
BEGIN
  SELECT RAISE(ABORT, 'standing approvals are kept');
END;
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
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'the event log is append only; only old facts of ended work that everybody was told may go')
  WHERE OLD.at > CAST(unixepoch('subsec') * 1000 AS INTEGER) - 604800000
     OR OLD.seq > COALESCE((SELECT MIN(seq) FROM cursors), 0)
     OR OLD.seq = (SELECT MAX(seq) FROM events)
     OR EXISTS (SELECT 1 FROM requests r WHERE r.id = OLD.request_id AND r.state = 'pending')
     OR EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = OLD.request_id AND j.state IN ('queued', 'running', 'paused'));
END;
CREATE TRIGGER steps_kept BEFORE DELETE ON steps
BEGIN
  SELECT RAISE(ABORT, 'steps are kept until their sums are stored')
  WHERE NOT EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = OLD.job_id);
END;
CREATE TRIGGER job_figures_born BEFORE INSERT ON job_figures
BEGIN
  SELECT RAISE(ABORT, 'figures are the sums of the steps of a job that ended long ago')
  WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = NEW.job_id AND j.ended > 0
          AND j.ended < CAST(unixepoch('subsec') * 1000 AS INTEGER) - 2592000000)
     OR NOT EXISTS (SELECT 1 FROM (
          SELECT COUNT(*) AS n, COALESCE(SUM(state = 'done'), 0) AS done, COALESCE(SUM(state = 'skipped'), 0) AS skipped,
            COALESCE(SUM(CASE WHEN state = 'done' THEN before_bytes END), 0) AS b,
            COALESCE(SUM(CASE WHEN state = 'done' THEN after_bytes END), 0) AS a
          FROM steps WHERE job_id = NEW.job_id) s
        WHERE s.n = NEW.tables AND s.done = NEW.done AND s.skipped = NEW.skipped AND s.b = NEW.before_bytes AND s.a = NEW.after_bytes)
     OR EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = NEW.job_id);
END;
CREATE TRIGGER job_figures_frozen BEFORE UPDATE ON job_figures
BEGIN
  SELECT RAISE(ABORT, 'figures do not change');
END;
CREATE TRIGGER job_figures_kept BEFORE DELETE ON job_figures
BEGIN
  SELECT RAISE(ABORT, 'figures are kept');
END;
CREATE TRIGGER requests_summary BEFORE UPDATE OF summary ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
CREATE INDEX freed_by_day ON freed (day, cluster, bytes, tables);
CREATE TRIGGER freed_kept BEFORE DELETE ON freed
BEGIN
  SELECT RAISE(ABORT, 'what was given back is kept');
END;
CREATE INDEX campaigns_open ON campaigns (state) WHERE state = 'open';
