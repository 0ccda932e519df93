-- What retention may remove, and nothing else: facts that every reader has told, of work that has
-- ended, after a time that no configuration can shorten.

-- +goose Up

DROP TRIGGER events_kept;
-- +goose StatementBegin
CREATE TRIGGER events_kept BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'the event log is append only; only old facts of ended work that everybody was told may go')
  WHERE OLD.at > CAST(unixepoch('subsec') * 1000 AS INTEGER) - 604800000
     OR OLD.seq > COALESCE((SELECT MIN(seq) FROM cursors), 0)
     OR OLD.seq = (SELECT MAX(seq) FROM events)
     OR EXISTS (SELECT 1 FROM requests r WHERE r.id = OLD.request_id AND r.state = 'pending')
     OR EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = OLD.request_id AND j.state IN ('queued', 'running', 'paused'));
END;
-- +goose StatementEnd

DROP TRIGGER steps_kept;
-- +goose StatementBegin
CREATE TRIGGER steps_kept BEFORE DELETE ON steps
BEGIN
  SELECT RAISE(ABORT, 'steps are kept until their sums are stored')
  WHERE NOT EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = OLD.job_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
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
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER job_figures_frozen BEFORE UPDATE ON job_figures
BEGIN
  SELECT RAISE(ABORT, 'figures do not change');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER job_figures_kept BEFORE DELETE ON job_figures
BEGIN
  SELECT RAISE(ABORT, 'figures are kept');
END;
-- +goose StatementEnd
