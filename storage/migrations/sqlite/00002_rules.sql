-- The last lines of defence. Go code checks the same by compare-and-set and explains it to people;
-- these refuse whoever comes past that code.

-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER requests_born BEFORE INSERT ON requests
WHEN NEW.state <> 'pending'
BEGIN
  SELECT RAISE(ABORT, 'a request is born pending');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_final BEFORE UPDATE ON requests
WHEN OLD.state <> 'pending'
BEGIN
  SELECT RAISE(ABORT, 'a decided request does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_frozen BEFORE UPDATE OF id, kind, cluster, target, command, requester_team, requester_id, barred, channel, plan, digest, min_approvals, created, expires ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_approved BEFORE UPDATE OF state ON requests
WHEN NEW.state = 'approved'
BEGIN
  SELECT RAISE(ABORT, 'a request is approved by enough other people, none against, with its jobs')
  WHERE (SELECT COUNT(*) FROM reviews v WHERE v.request_id = NEW.id AND v.digest = NEW.digest AND v.decision = 'approve') < NEW.min_approvals
     OR EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny')
     OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = NEW.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_denied BEFORE UPDATE OF state ON requests
WHEN NEW.state = 'denied'
BEGIN
  SELECT RAISE(ABORT, 'a request is denied by a review')
  WHERE NOT EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_kept BEFORE DELETE ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_born BEFORE INSERT ON reviews
BEGIN
  SELECT RAISE(ABORT, 'a review needs a pending request in time, and a person who is not barred')
  WHERE NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND NEW.at < r.expires)
     OR EXISTS (SELECT 1 FROM requests r, json_each(r.barred) b
                WHERE r.id = NEW.request_id AND json_extract(b.value, '$.id') = NEW.reviewer_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_frozen BEFORE UPDATE ON reviews
BEGIN
  SELECT RAISE(ABORT, 'a review does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_kept BEFORE DELETE ON reviews
BEGIN
  SELECT RAISE(ABORT, 'reviews are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_born BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'a job is born queued, in the transaction that approves its request')
  WHERE NEW.state <> 'queued' OR NEW.wanted <> 'run'
     OR NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND r.min_approvals <=
          (SELECT COUNT(*) FROM reviews v WHERE v.request_id = r.id AND v.digest = r.digest AND v.decision = 'approve'));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_final BEFORE UPDATE OF state, wanted, reason, started, ended ON jobs
WHEN OLD.state IN ('succeeded', 'failed', 'cancelled', 'refused')
BEGIN
  SELECT RAISE(ABORT, 'an ended job does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_frozen BEFORE UPDATE OF id, request_id, request_state, kind, cluster, host, region, digest, plan, created ON jobs
BEGIN
  SELECT RAISE(ABORT, 'what a job does is frozen');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_forward BEFORE UPDATE OF state ON jobs
WHEN (NEW.state = 'queued' AND OLD.state <> 'queued') OR (NEW.state = 'succeeded' AND OLD.state = 'queued')
BEGIN
  SELECT RAISE(ABORT, 'a job does not go back to the queue, nor succeed before it ran');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_succeeded BEFORE UPDATE OF state ON jobs
WHEN NEW.state = 'succeeded'
BEGIN
  SELECT RAISE(ABORT, 'a job succeeds when every step is done or skipped')
  WHERE EXISTS (SELECT 1 FROM steps s WHERE s.job_id = NEW.id AND s.state NOT IN ('done', 'skipped'));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_cancel BEFORE UPDATE OF wanted ON jobs
WHEN OLD.wanted = 'cancel' AND NEW.wanted <> 'cancel'
BEGIN
  SELECT RAISE(ABORT, 'a cancelled job is not revived');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_kept BEFORE DELETE ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER steps_born BEFORE INSERT ON steps
BEGIN
  SELECT RAISE(ABORT, 'a step is born pending, with its job')
  WHERE NEW.state <> 'pending' OR NOT EXISTS (SELECT 1 FROM jobs j JOIN requests r ON r.id = j.request_id
       WHERE j.id = NEW.job_id AND j.state = 'queued' AND r.state = 'pending');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER steps_final BEFORE UPDATE ON steps
WHEN OLD.state IN ('done', 'skipped', 'failed', 'refused', 'unknown')
BEGIN
  SELECT RAISE(ABORT, 'an ended step does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER steps_frozen BEFORE UPDATE OF job_id, seq, plan ON steps
BEGIN
  SELECT RAISE(ABORT, 'what a step does is frozen');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER steps_running BEFORE UPDATE OF state ON steps
WHEN NEW.state = 'running' AND OLD.state <> 'running'
BEGIN
  SELECT RAISE(ABORT, 'a step starts only while its job runs')
  WHERE NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = NEW.job_id AND j.state = 'running');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER steps_kept BEFORE DELETE ON steps
BEGIN
  SELECT RAISE(ABORT, 'steps are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER leases_forward BEFORE UPDATE ON leases
WHEN NEW.epoch < OLD.epoch OR NEW.job_id <> OLD.job_id OR (NEW.epoch = OLD.epoch AND NEW.owner <> OLD.owner AND NEW.owner <> '')
BEGIN
  SELECT RAISE(ABORT, 'a new owner needs a new epoch');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER leases_kept BEFORE DELETE ON leases
BEGIN
  SELECT RAISE(ABORT, 'leases are kept, their epochs must not start again');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_frozen BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'the event log is append only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'the event log is append only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER events_next BEFORE INSERT ON events
BEGIN
  SELECT RAISE(ABORT, 'events are numbered without gaps')
  WHERE NEW.seq <> COALESCE((SELECT MAX(seq) FROM events), 0) + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER cursors_forward BEFORE UPDATE ON cursors
WHEN NEW.seq < OLD.seq
BEGIN
  SELECT RAISE(ABORT, 'a cursor does not go back');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER posts_sent BEFORE UPDATE ON posts
WHEN NEW.rev < OLD.rev OR NEW.sent_rev < OLD.sent_rev OR (OLD.ts <> '' AND NEW.ts <> OLD.ts)
BEGIN
  SELECT RAISE(ABORT, 'a message that was sent stays where it is');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER settings_before BEFORE UPDATE ON settings
WHEN OLD.restored = 0 AND NEW.before_value <> OLD.before_value
BEGIN
  SELECT RAISE(ABORT, 'the value to put back does not change before it is put back');
END;
-- +goose StatementEnd

-- INSERT OR REPLACE would delete the old row without asking the triggers above.

-- +goose StatementBegin
CREATE TRIGGER requests_once BEFORE INSERT ON requests
BEGIN
  SELECT RAISE(ABORT, 'requests rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM requests WHERE id = NEW.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER reviews_once BEFORE INSERT ON reviews
BEGIN
  SELECT RAISE(ABORT, 'reviews rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM reviews WHERE request_id = NEW.request_id AND reviewer_id = NEW.reviewer_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_once BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'jobs rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM jobs WHERE id = NEW.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER leases_once BEFORE INSERT ON leases
BEGIN
  SELECT RAISE(ABORT, 'leases rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM leases WHERE job_id = NEW.job_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER settings_once BEFORE INSERT ON settings
BEGIN
  SELECT RAISE(ABORT, 'settings rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM settings WHERE job_id = NEW.job_id AND name = NEW.name);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER cursors_once BEFORE INSERT ON cursors
BEGIN
  SELECT RAISE(ABORT, 'cursors rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM cursors WHERE reader = NEW.reader);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER posts_once BEFORE INSERT ON posts
BEGIN
  SELECT RAISE(ABORT, 'posts rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM posts WHERE key = NEW.key);
END;
-- +goose StatementEnd
