-- What retention may remove, and nothing else: facts that every reader has told, of work that has
-- ended, after a time that no configuration can shorten. The same rules as for SQLite.

-- +goose Up

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION events_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - 604800000
     OR OLD.seq > COALESCE((SELECT MIN(seq) FROM cursors), 0)
     OR OLD.seq = (SELECT MAX(seq) FROM events)
     OR EXISTS (SELECT 1 FROM requests r WHERE r.id = OLD.request_id AND r.state = 'pending')
     OR EXISTS (SELECT 1 FROM jobs j WHERE j.request_id = OLD.request_id AND j.state IN ('queued', 'running', 'paused'))) THEN
    RAISE EXCEPTION 'the event log is append only; only old facts of ended work that everybody was told may go' USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION steps_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NOT EXISTS (SELECT 1 FROM job_figures f WHERE f.job_id = OLD.job_id)) THEN
    RAISE EXCEPTION 'steps are kept until their sums are stored' USING ERRCODE = 'check_violation';
  END IF;
  RETURN OLD;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION job_figures_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NOT EXISTS (SELECT 1 FROM jobs j WHERE j.id = NEW.job_id AND j.ended > 0
          AND j.ended < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) - 2592000000)
     OR NOT EXISTS (SELECT 1 FROM (
          SELECT COUNT(*) AS n, COUNT(*) FILTER (WHERE state = 'done') AS done, COUNT(*) FILTER (WHERE state = 'skipped') AS skipped,
            COALESCE(SUM(before_bytes) FILTER (WHERE state = 'done'), 0) AS b,
            COALESCE(SUM(after_bytes) FILTER (WHERE state = 'done'), 0) AS a
          FROM steps WHERE job_id = NEW.job_id) s
        WHERE s.n = NEW.tables AND s.done = NEW.done AND s.skipped = NEW.skipped AND s.b = NEW.before_bytes AND s.a = NEW.after_bytes)) THEN
    RAISE EXCEPTION 'figures are the sums of the steps of a job that ended long ago' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER job_figures_born BEFORE INSERT ON job_figures FOR EACH ROW EXECUTE FUNCTION job_figures_born();

-- +goose StatementBegin
CREATE FUNCTION job_figures_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'figures are kept and do not change' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER job_figures_frozen BEFORE UPDATE OR DELETE ON job_figures FOR EACH ROW EXECUTE FUNCTION job_figures_frozen();
CREATE TRIGGER job_figures_not_truncated BEFORE TRUNCATE ON job_figures FOR EACH STATEMENT EXECUTE FUNCTION rows_kept();
