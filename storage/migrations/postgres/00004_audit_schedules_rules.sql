-- The same rules as for SQLite.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION audit_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit chain is append only' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_frozen BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_frozen();

-- +goose StatementBegin
CREATE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit chain is append only' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_kept BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_kept();

-- +goose StatementBegin
CREATE FUNCTION audit_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.seq <> COALESCE((SELECT MAX(seq) FROM audit), 0) + 1
     OR NEW.prev <> COALESCE((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '')) THEN
    RAISE EXCEPTION 'the audit chain has no gaps and no forks' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_next BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_next();

-- +goose StatementBegin
CREATE FUNCTION requests_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what was asked for does not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER requests_start BEFORE UPDATE OF not_before ON requests FOR EACH ROW EXECUTE FUNCTION requests_start();

-- +goose StatementBegin
CREATE FUNCTION jobs_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'what a job does is frozen' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_start BEFORE UPDATE OF not_before ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_start();

-- +goose StatementBegin
CREATE FUNCTION jobs_start_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.not_before <> COALESCE((SELECT not_before FROM requests WHERE id = NEW.request_id), 0)) THEN
    RAISE EXCEPTION 'a job starts when its request says' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER jobs_start_born BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION jobs_start_born();

-- +goose StatementBegin
CREATE FUNCTION schedules_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'schedules are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER schedules_kept BEFORE DELETE ON schedules FOR EACH ROW EXECUTE FUNCTION schedules_kept();

-- +goose StatementBegin
CREATE FUNCTION schedules_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.rev <> OLD.rev + 1 OR NEW.owner_id <> OLD.owner_id OR OLD.state = 'removed') THEN
    RAISE EXCEPTION 'a schedule changes by one revision, keeps its author, and stays removed' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER schedules_forward BEFORE UPDATE ON schedules FOR EACH ROW EXECUTE FUNCTION schedules_forward();

-- +goose StatementBegin
CREATE FUNCTION schedule_runs_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'handled slots are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER schedule_runs_kept BEFORE DELETE ON schedule_runs FOR EACH ROW EXECUTE FUNCTION schedule_runs_kept();

-- +goose StatementBegin
CREATE FUNCTION schedule_runs_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.state IN ('ended', 'skipped') OR NEW.schedule <> OLD.schedule OR NEW.slot <> OLD.slot) THEN
    RAISE EXCEPTION 'a handled slot does not change' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER schedule_runs_final BEFORE UPDATE ON schedule_runs FOR EACH ROW EXECUTE FUNCTION schedule_runs_final();

CREATE TRIGGER audit_not_truncated BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
CREATE TRIGGER schedule_runs_not_truncated BEFORE TRUNCATE ON schedule_runs FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
