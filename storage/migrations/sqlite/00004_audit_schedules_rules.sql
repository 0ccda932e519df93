-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER audit_frozen BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain is append only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_kept BEFORE DELETE ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain is append only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_next BEFORE INSERT ON audit
BEGIN
  SELECT RAISE(ABORT, 'the audit chain has no gaps and no forks')
  WHERE NEW.seq <> COALESCE((SELECT MAX(seq) FROM audit), 0) + 1
     OR NEW.prev <> COALESCE((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), '');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER requests_start BEFORE UPDATE OF not_before ON requests
BEGIN
  SELECT RAISE(ABORT, 'what was asked for does not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_start BEFORE UPDATE OF not_before ON jobs
BEGIN
  SELECT RAISE(ABORT, 'what a job does is frozen');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER jobs_start_born BEFORE INSERT ON jobs
BEGIN
  SELECT RAISE(ABORT, 'a job starts when its request says')
  WHERE NEW.not_before <> COALESCE((SELECT not_before FROM requests WHERE id = NEW.request_id), 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER schedules_kept BEFORE DELETE ON schedules
BEGIN
  SELECT RAISE(ABORT, 'schedules are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER schedules_forward BEFORE UPDATE ON schedules
WHEN NEW.rev <> OLD.rev + 1 OR NEW.owner_id <> OLD.owner_id OR OLD.state = 'removed'
BEGIN
  SELECT RAISE(ABORT, 'a schedule changes by one revision, keeps its author, and stays removed');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER schedule_runs_kept BEFORE DELETE ON schedule_runs
BEGIN
  SELECT RAISE(ABORT, 'handled slots are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER schedule_runs_final BEFORE UPDATE ON schedule_runs
WHEN OLD.state IN ('ended', 'skipped') OR NEW.schedule <> OLD.schedule OR NEW.slot <> OLD.slot
BEGIN
  SELECT RAISE(ABORT, 'a handled slot does not change');
END;
-- +goose StatementEnd

-- INSERT OR REPLACE would delete the old row without asking the triggers above.

-- +goose StatementBegin
CREATE TRIGGER schedules_once BEFORE INSERT ON schedules
BEGIN
  SELECT RAISE(ABORT, 'schedules rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM schedules WHERE id = NEW.id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER schedule_runs_once BEFORE INSERT ON schedule_runs
BEGIN
  SELECT RAISE(ABORT, 'schedule_runs rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM schedule_runs WHERE schedule = NEW.schedule AND slot = NEW.slot);
END;
-- +goose StatementEnd
