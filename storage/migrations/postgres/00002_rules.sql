-- The last lines of defence. Go code checks the same by compare-and-set and explains it to people;
-- these refuse whoever comes past that code. The same rules as for SQLite.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION requests_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state <> 'pending') THEN
    RAISE EXCEPTION 'a request is born pending' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_born BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION requests_born();

-- +goose StatementBegin
CREATE FUNCTION requests_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state <> 'pending') THEN
    RAISE EXCEPTION 'a decided request does not change' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_final BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION requests_final();

-- +goose StatementBegin
CREATE FUNCTION requests_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was asked for does not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_frozen BEFORE UPDATE OF id, kind, cluster, target, command, requester_team, requester_id, barred, channel, plan, digest, min_approvals, created, expires ON requests FOR EACH ROW EXECUTE FUNCTION requests_frozen();

-- +goose StatementBegin
CREATE FUNCTION requests_approved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state = 'approved')
     AND ((SELECT COUNT(*) FROM reviews v WHERE v.request_id = NEW.id AND v.digest = NEW.digest AND v.decision = 'approve') < NEW.min_approvals
     OR EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny')
     OR NOT EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = NEW.id)) THEN
    RAISE EXCEPTION 'a request is approved by enough other people, none against, with its jobs' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_approved BEFORE UPDATE OF state ON requests FOR EACH ROW EXECUTE FUNCTION requests_approved();

-- +goose StatementBegin
CREATE FUNCTION requests_denied() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state = 'denied')
     AND (NOT EXISTS (SELECT 1 FROM reviews v WHERE v.request_id = NEW.id AND v.decision = 'deny')) THEN
    RAISE EXCEPTION 'a request is denied by a review' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_denied BEFORE UPDATE OF state ON requests FOR EACH ROW EXECUTE FUNCTION requests_denied();

-- +goose StatementBegin
CREATE FUNCTION requests_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'requests are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_kept BEFORE DELETE ON requests FOR EACH ROW EXECUTE FUNCTION requests_kept();

-- +goose StatementBegin
CREATE FUNCTION reviews_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND NEW.at < r.expires)
     OR EXISTS (SELECT 1 FROM requests r, jsonb_array_elements(CAST(r.barred AS JSONB)) b
                WHERE r.id = NEW.request_id AND b ->> 'id' = NEW.reviewer_id)) THEN
    RAISE EXCEPTION 'a review needs a pending request in time, and a person who is not barred' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER reviews_born BEFORE INSERT ON reviews FOR EACH ROW EXECUTE FUNCTION reviews_born();

-- +goose StatementBegin
CREATE FUNCTION reviews_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a review does not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER reviews_frozen BEFORE UPDATE ON reviews FOR EACH ROW EXECUTE FUNCTION reviews_frozen();

-- +goose StatementBegin
CREATE FUNCTION reviews_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'reviews are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER reviews_kept BEFORE DELETE ON reviews FOR EACH ROW EXECUTE FUNCTION reviews_kept();

-- +goose StatementBegin
CREATE FUNCTION jobs_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state <> 'queued' OR NEW.wanted <> 'run'
     OR NOT EXISTS (SELECT 1 FROM requests r WHERE r.id = NEW.request_id AND r.state = 'pending' AND r.min_approvals <=
          (SELECT COUNT(*) FROM reviews v WHERE v.request_id = r.id AND v.digest = r.digest AND v.decision = 'approve'))) THEN
    RAISE EXCEPTION 'a job is born queued, in the transaction that approves its request' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_born BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_born();

-- +goose StatementBegin
CREATE FUNCTION jobs_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state IN ('succeeded', 'failed', 'cancelled', 'refused')) THEN
    RAISE EXCEPTION 'an ended job does not change' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_final BEFORE UPDATE OF state, wanted, reason, started, ended ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_final();

-- +goose StatementBegin
CREATE FUNCTION jobs_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what a job does is frozen' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_frozen BEFORE UPDATE OF id, request_id, request_state, kind, cluster, host, region, digest, plan, created ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_frozen();

-- +goose StatementBegin
CREATE FUNCTION jobs_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF ((NEW.state = 'queued' AND OLD.state <> 'queued') OR (NEW.state = 'succeeded' AND OLD.state = 'queued')) THEN
    RAISE EXCEPTION 'a job does not go back to the queue, nor succeed before it ran' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_forward BEFORE UPDATE OF state ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_forward();

-- +goose StatementBegin
CREATE FUNCTION jobs_succeeded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state = 'succeeded')
     AND (EXISTS (SELECT 1 FROM steps s WHERE s.job_id = NEW.id AND s.state NOT IN ('done', 'skipped'))) THEN
    RAISE EXCEPTION 'a job succeeds when every step is done or skipped' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_succeeded BEFORE UPDATE OF state ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_succeeded();

-- +goose StatementBegin
CREATE FUNCTION jobs_cancel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.wanted = 'cancel' AND NEW.wanted <> 'cancel') THEN
    RAISE EXCEPTION 'a cancelled job is not revived' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_cancel BEFORE UPDATE OF wanted ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_cancel();

-- +goose StatementBegin
CREATE FUNCTION jobs_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'jobs are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_kept BEFORE DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_kept();

-- +goose StatementBegin
CREATE FUNCTION steps_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state <> 'pending' OR NOT EXISTS (SELECT 1 FROM jobs j JOIN requests r ON r.id = j.request_id
       WHERE j.id = NEW.job_id AND j.state = 'queued' AND r.state = 'pending')) THEN
    RAISE EXCEPTION 'a step is born pending, with its job' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER steps_born BEFORE INSERT ON steps FOR EACH ROW EXECUTE FUNCTION steps_born();

-- +goose StatementBegin
CREATE FUNCTION steps_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state IN ('done', 'skipped', 'failed', 'refused', 'unknown')) THEN
    RAISE EXCEPTION 'an ended step does not change' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER steps_final BEFORE UPDATE ON steps FOR EACH ROW EXECUTE FUNCTION steps_final();

-- +goose StatementBegin
CREATE FUNCTION steps_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what a step does is frozen' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER steps_frozen BEFORE UPDATE OF job_id, seq, plan ON steps FOR EACH ROW EXECUTE FUNCTION steps_frozen();

-- +goose StatementBegin
CREATE FUNCTION steps_running() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.state = 'running' AND OLD.state <> 'running')
     AND (NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = NEW.job_id AND j.state = 'running')) THEN
    RAISE EXCEPTION 'a step starts only while its job runs' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER steps_running BEFORE UPDATE OF state ON steps FOR EACH ROW EXECUTE FUNCTION steps_running();

-- +goose StatementBegin
CREATE FUNCTION steps_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'steps are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER steps_kept BEFORE DELETE ON steps FOR EACH ROW EXECUTE FUNCTION steps_kept();

-- +goose StatementBegin
CREATE FUNCTION leases_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.epoch < OLD.epoch OR NEW.job_id <> OLD.job_id OR (NEW.epoch = OLD.epoch AND NEW.owner <> OLD.owner AND NEW.owner <> '')) THEN
    RAISE EXCEPTION 'a new owner needs a new epoch' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER leases_forward BEFORE UPDATE ON leases FOR EACH ROW EXECUTE FUNCTION leases_forward();

-- +goose StatementBegin
CREATE FUNCTION leases_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'leases are kept, their epochs must not start again' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER leases_kept BEFORE DELETE ON leases FOR EACH ROW EXECUTE FUNCTION leases_kept();

-- +goose StatementBegin
CREATE FUNCTION events_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event log is append only' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_frozen BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_frozen();

-- +goose StatementBegin
CREATE FUNCTION events_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the event log is append only' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_kept BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_kept();

-- +goose StatementBegin
CREATE FUNCTION events_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.seq <> COALESCE((SELECT MAX(seq) FROM events), 0) + 1) THEN
    RAISE EXCEPTION 'events are numbered without gaps' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_next BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_next();

-- +goose StatementBegin
CREATE FUNCTION cursors_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.seq < OLD.seq) THEN
    RAISE EXCEPTION 'a cursor does not go back' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER cursors_forward BEFORE UPDATE ON cursors FOR EACH ROW EXECUTE FUNCTION cursors_forward();

-- +goose StatementBegin
CREATE FUNCTION posts_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.rev < OLD.rev OR NEW.sent_rev < OLD.sent_rev OR (OLD.ts <> '' AND NEW.ts <> OLD.ts)) THEN
    RAISE EXCEPTION 'a message that was sent stays where it is' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER posts_sent BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION posts_sent();

-- +goose StatementBegin
CREATE FUNCTION settings_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.restored = 0 AND NEW.before_value <> OLD.before_value) THEN
    RAISE EXCEPTION 'the value to put back does not change before it is put back' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER settings_before BEFORE UPDATE ON settings FOR EACH ROW EXECUTE FUNCTION settings_before();

-- TRUNCATE fires no row triggers. Requests and jobs cannot be emptied without reviews and steps.
-- +goose StatementBegin
CREATE FUNCTION rows_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER reviews_not_truncated BEFORE TRUNCATE ON reviews FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
CREATE TRIGGER steps_not_truncated BEFORE TRUNCATE ON steps FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
CREATE TRIGGER leases_not_truncated BEFORE TRUNCATE ON leases FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
CREATE TRIGGER events_not_truncated BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
